//! The share of a processor that Lambda gives a small function: 128 MB of the 1,769 MB that are a whole one, in periods of 20 ms,
//! by a control group. Init is not limited, as on Lambda.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;

use crate::runtime::Function;

const MEMORY_MB: u64 = 128;
const WHOLE_PROCESSOR_MB: u64 = 1_769;
const PERIOD: Duration = Duration::from_millis(20);

/// A control group that limits the processor; gone when dropped.
#[derive(Debug)]
pub(crate) struct Share(PathBuf);

impl Share {
    /// Makes one.
    ///
    /// Fails where control groups may not be made: that takes root, and a hierarchy with the `cpu` controller that can be written.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let name = format!("posnext-bench-{}", std::process::id());
        let first = Path::new("/sys/fs/cgroup/cpu");
        let made = if first.is_dir() { Self::version_1(&first.join(name)) } else { Self::version_2(name) };
        made.context("no control group with a limit of its processor can be made here; it takes root")
    }

    fn version_1(group: &Path) -> io::Result<Self> {
        let share = Self::made(group)?;
        fs::write(group.join("cpu.cfs_period_us"), PERIOD.as_micros().to_string())?;
        fs::write(group.join("cpu.cfs_quota_us"), quota_us().to_string())?;
        Ok(share)
    }

    fn version_2(name: String) -> io::Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        // Where the controller is on for the children already this changes nothing.
        fs::write(root.join("cgroup.subtree_control"), "+cpu")?;
        let group = root.join(name);
        let share = Self::made(&group)?;
        fs::write(group.join("cpu.max"), format!("{} {}", quota_us(), PERIOD.as_micros()))?;
        Ok(share)
    }

    fn made(group: &Path) -> io::Result<Self> {
        match fs::create_dir(group) {
            // Left behind by a process of the same number.
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(Self(group.to_owned())),
        }
    }

    /// Limits a function from now on. All of its period's time is left to it when this returns, as to one that was idle.
    pub(crate) async fn limit(&self, function: &Function) -> anyhow::Result<()> {
        fs::write(self.0.join("cgroup.procs"), function.pid().to_string()).context("the function cannot be limited")?;
        Self::rest().await;
        Ok(())
    }

    /// Waits until what was used up before is forgotten.
    pub(crate) async fn rest() {
        tokio::time::sleep(PERIOD * 2).await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Processor time in a period, in microseconds.
fn quota_us() -> u128 {
    PERIOD.as_micros() * u128::from(MEMORY_MB) / u128::from(WHOLE_PROCESSOR_MB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_function_has_a_fourteenth_of_a_processor() {
        assert_eq!(quota_us(), 1_447);
    }
}
