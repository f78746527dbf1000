//! SQS: the work queue, which loses, doubles and delays, and the dead-letter queue.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use super::{DEAD, Said};
use crate::{
    dice::Dice,
    faults::Fault,
    sim::{Shared, lock},
};

/// For so long a message that was handed out is not handed out again (template.yaml, VisibilityTimeout).
const INVISIBLE: Duration = Duration::from_secs(180);
/// After so many times it is put aside (template.yaml, maxReceiveCount).
const MOST_RECEIVES: u32 = 10;

#[derive(Debug, Clone)]
struct Message {
    id: u64,
    body: String,
    visible_at: Instant,
    receives: u32,
}

/// A message that was handed out.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) id: u64,
    pub(crate) body: String,
}

#[derive(Debug)]
pub(crate) struct Queue {
    sim: Shared,
    messages: Mutex<Vec<Message>>,
    dead: Mutex<Vec<String>>,
    arrived: Arc<Notify>,
}

impl Queue {
    pub(super) fn new(sim: &Shared) -> Self {
        Self { sim: Arc::clone(sim), messages: Mutex::default(), dead: Mutex::default(), arrived: Arc::default() }
    }

    pub(super) fn call(&self, operation: &str, body: &[u8], dice: &mut Dice) -> Said {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if operation != "SendMessage" {
            return Said::ok(r#"{"Attributes":{}}"#);
        }
        let (id, body) = (self.sim.number(), text("MessageBody"));
        if text("QueueUrl") == DEAD {
            lock(&self.dead).push(body);
        } else {
            let delay = request.get("DelaySeconds").and_then(Value::as_u64).unwrap_or_default();
            self.put(Message { id, body, visible_at: Instant::now() + Duration::from_secs(delay), receives: 0 }, dice);
        }
        Said::ok(json!({ "MessageId": id.to_string(), "MD5OfMessageBody": "" }).to_string())
    }

    fn put(&self, message: Message, dice: &mut Dice) {
        if self.sim.strikes(dice, Fault::MessageLost) {
            return self.sim.tell("SQS", || format!("message {} is lost", message.id));
        }
        if self.sim.strikes(dice, Fault::MessageDoubled) {
            let later = message.visible_at + dice.millis(0..40_000);
            lock(&self.messages).push(Message { visible_at: later, ..message.clone() });
        }
        let late = if self.sim.strikes(dice, Fault::MessageLate) { dice.millis(1_000..120_000) } else { dice.millis(1..120) };
        lock(&self.messages).push(Message { visible_at: message.visible_at + late, ..message });
        self.arrived.notify_one();
    }

    /// At most so many messages, once there is one.
    pub(crate) async fn receive(&self, most: usize) -> Vec<Delivered> {
        loop {
            let arrived = self.arrived.notified();
            let (now, next) = (Instant::now(), lock(&self.messages).iter().map(|message| message.visible_at).min());
            match next {
                Some(at) if at <= now => return self.taken(most, now),
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, arrived).await;
                }
                None => arrived.await,
            }
        }
    }

    fn taken(&self, most: usize, now: Instant) -> Vec<Delivered> {
        let mut messages = lock(&self.messages);
        let worn: Vec<String> = messages
            .iter()
            .filter(|message| message.visible_at <= now && message.receives >= MOST_RECEIVES)
            .map(|message| message.body.clone())
            .collect();
        lock(&self.dead).extend(worn);
        messages.retain(|message| message.visible_at > now || message.receives < MOST_RECEIVES);
        let due = messages.iter_mut().filter(|message| message.visible_at <= now).take(most);
        let taken = due.map(|message| {
            message.visible_at = now + INVISIBLE;
            message.receives += 1;
            Delivered { id: message.id, body: message.body.clone() }
        });
        taken.collect()
    }

    /// It was worked on.
    pub(crate) fn delete(&self, id: u64) {
        // Of a doubled message one copy goes.
        let mut messages = lock(&self.messages);
        if let Some(at) = messages.iter().position(|message| message.id == id && message.receives > 0) {
            messages.remove(at);
        }
    }

    pub(crate) fn dead(&self) -> Vec<String> {
        lock(&self.dead).clone()
    }
}
