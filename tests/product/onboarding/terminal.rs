//! What a POS has said is shown to an operator, and acts on nothing.

use super::stage::Stage;
use crate::stub_pos::answering;

const ID: &str = "PAR-LOC-RUDE";
/// Clears the screen, names the window, forges a line, and turns the rest around.
const RUDE: &str = r"\u001b[2J\u001b]0;PWNED\u0007\n  status    errored\u009b1A\u202e";
const SHOWN: &str = r"\u{1b}[2J\u{1b}]0;PWNED\u{7}\n  status    errored\u{9b}1A\u{202e}";

#[tokio::test]
async fn what_a_pos_says_neither_moves_the_cursor_nor_forges_a_line() {
    let refusal = format!(r#"{{"key":"$KEY","status":"rejected","errors":[{{"message":"{RUDE}"}}]}}"#);
    let placed = format!(r#"{{"key":"$KEY","status":"placed","pos_order_id":"{RUDE}"}}"#);
    for (status, answer, outcome) in [(422, refusal, "rejected"), (200, placed, "placed")] {
        let stage = Stage::new().await;
        let base = answering(status, answer.leak()).await.0;
        stage.added(ID, "S", &base, &["--auth", "none"]).await;
        let (told, key) = stage.submit(&stage.functions().await, ID).await;
        assert_eq!(told, outcome);
        let (code, text) = stage.admin(&["explain", &key.to_string()]).await;
        assert!(code == 0 && text.contains(SHOWN), "{text:?}");
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
        let statuses: Vec<&str> = text.lines().filter(|line| line.starts_with("  status ")).collect();
        assert_eq!(statuses, [format!("  status    {outcome}")], "{text:?}");
    }
}
