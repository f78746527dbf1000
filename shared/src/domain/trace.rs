//! W3C trace context (<https://www.w3.org/TR/trace-context/>): the trace that an order belongs to, from the request that brought it to
//! the POS that makes it.

/// The `traceparent` an order keeps: its caller's, if that is one; else of the trace that API Gateway or Lambda began
/// (`x-amzn-trace-id`; AWS X-Ray: "Tracing header"), in which `random` names the span where it says none. Nothing where there is neither.
#[must_use]
pub fn traceparent(callers: Option<&str>, amazons: Option<&str>, random: u64) -> Option<String> {
    callers.filter(|text| is_traceparent(text)).map(str::to_owned).or_else(|| from_x_ray(amazons?, random))
}

/// Version 00, exactly: what a later version would add is not ours to hand on.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else { return false };
    *version == "00" && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2)
}

/// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`
fn from_x_ray(header: &str, random: u64) -> Option<String> {
    let field = |name: &str| header.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let trace = field("Root")?.strip_prefix("1-")?.replacen('-', "", 1);
    let parent = field("Parent").map_or_else(|| format!("{:016x}", random.max(1)), str::to_owned);
    let sampled = if field("Sampled") == Some("1") { "01" } else { "00" };
    Some(format!("00-{trace}-{parent}-{sampled}")).filter(|text| is_traceparent(text))
}

fn is_id(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|byte| byte != b'0')
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_callers_trace_is_kept_as_it_came() {
        assert_eq!(traceparent(Some(GIVEN), Some("Root=1-5759e988-bd862e3fe1be46a994272793"), 7).as_deref(), Some(GIVEN));
    }

    #[test]
    fn what_is_no_trace_context_is_not_handed_on() {
        for wrong in [
            "",
            "trace",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert_eq!(traceparent(Some(wrong), None, 7), None, "{wrong}");
        }
    }

    #[test]
    fn without_one_the_trace_is_the_one_that_x_ray_has() {
        let made = |header| traceparent(Some("nonsense"), Some(header), 0xabc);
        let whole = made("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1");
        assert_eq!(whole.as_deref(), Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"));
        let root = made("Self=1-67891234-12456789abcdef012345678;Root=1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(root.as_deref(), Some("00-5759e988bd862e3fe1be46a994272793-0000000000000abc-00"));
        for wrong in ["", "Root=2-5759e988-bd862e3fe1be46a994272793", "Root=1-5759e988", "Parent=53995c3f42cd8ad8"] {
            assert_eq!(made(wrong), None, "{wrong}");
        }
    }
}
