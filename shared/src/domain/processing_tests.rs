use std::time::Duration;

use super::*;
use crate::domain::{
    ability::Placed,
    history::Cause,
    machine::{
        Input, Start,
        tests::{FIND, IDEMPOTENT, NOTHING, Play, unknown},
    },
    status::{ErrorCode, OrderError},
};

use StepStatus::{Completed, Failed, InProgress, Pending};

fn shown(play: &Play, typical: Option<u64>) -> Processing {
    processing(&play.record, play.record.order.request_uid(), play.now, typical.map(Duration::from_secs))
}

fn steps(play: &Play) -> (&'static str, u8, [StepStatus; 2], u32) {
    let Processing { stage, progress, steps, attempts, .. } = shown(play, None);
    assert_eq!((steps[0].name, steps[0].status), ("accept", Completed));
    assert_eq!((steps[1].name, steps[2].name), ("place", "confirm"));
    (stage, progress, [steps[1].status, steps[2].status], attempts)
}

fn retrying() -> Play {
    let cause = Cause::NoConnection("down".to_owned());
    Play::start(NOTHING).placed(Placed::NotStarted { cause, retry_after: None })
}

#[test]
fn each_stage_and_each_end_has_its_steps() {
    assert_eq!(steps(&Play::start(NOTHING)), ("received", 20, [InProgress, Pending], 1));
    assert_eq!(steps(&Play::start_as(NOTHING, Start::Queued)), ("queued", 20, [Pending, Pending], 0));
    assert_eq!(steps(&Play::start_as(NOTHING, Start::Queued).deliver().0), ("placing", 40, [InProgress, Pending], 1));
    assert_eq!(steps(&retrying()), ("retrying", 40, [InProgress, Pending], 1));
    assert_eq!(steps(&Play::start(FIND).placed(unknown())), ("confirming", 60, [InProgress, InProgress], 1));

    let (again, _) = Play::start(IDEMPOTENT).placed(unknown()).after(9).deliver();
    assert_eq!(steps(&again), ("placing", 60, [InProgress, InProgress], 2), "it does not go back");

    let placed = Play::start(NOTHING).placed(Placed::Done { pos_order_id: "P".into() });
    assert_eq!(steps(&placed), ("placed", 100, [Completed, Completed], 1));
    let why = || vec![OrderError::new(ErrorCode::PosRefused, "no")];
    assert_eq!(steps(&Play::start(NOTHING).placed(Placed::Refused(why()))), ("rejected", 100, [Completed, Failed], 1));
    assert_eq!(steps(&Play::start_as(NOTHING, Start::Rejected(why()))), ("rejected", 100, [Failed, Failed], 0));
    assert_eq!(steps(&Play::start(NOTHING).placed(Placed::Permanent(Cause::NotMapped))), ("errored", 100, [Failed, Failed], 1));
}

#[test]
fn the_time_moves_it_on_where_it_is_known_how_long_orders_take_but_never_to_its_end() {
    let mut seen = Vec::new();
    for age in [0, 4, 6, 9, 11, 40] {
        let shown = shown(&Play::start(IDEMPOTENT).after(age), Some(10));
        seen.push((shown.progress, shown.estimated_completion));
    }
    let at = || Some("2025-03-15T14:30:55Z".to_owned());
    assert_eq!(seen, [(20, at()), (40, at()), (60, at()), (90, at()), (95, None), (95, None)], "what is over is no estimate");
    assert_eq!(shown(&Play::start(NOTHING).after(4), Some(0)).progress, 20);
    assert_eq!(shown(&Play::start(NOTHING).after(4), None).estimated_completion, None);
}

#[test]
fn a_final_order_has_no_next_poll_and_its_json_no_empty_member() {
    let pending = shown(&Play::start(NOTHING).after(6), None);
    assert_eq!((pending.poll_after_seconds, pending.status_url.as_str()), (Some(2), "/posnext/orders/u-1"));
    let json = r#"{"stage":"received","progress":20,"steps":[{"name":"accept","status":"completed"},{"name":"place","status":"in-progress"},{"name":"confirm","status":"pending"}],"attempts":1,"poll_after_seconds":2,"status_url":"/posnext/orders/u-1"}"#;
    assert_eq!(pending.to_json(), json);
    let (play, _) = Play::start(NOTHING).step(Input::Placed(Placed::Done { pos_order_id: "P".into() }));
    let placed = shown(&play, Some(10));
    assert_eq!((placed.poll_after_seconds, placed.estimated_completion), (None, None));
}

#[test]
fn the_older_an_order_the_longer_the_pause_between_polls() {
    let pauses = [0, 5, 20, 60, 300, 86_400].map(|age| poll_after(Duration::from_secs(age)).as_secs());
    assert_eq!(pauses, [1, 2, 5, 15, 60, 60]);
}
