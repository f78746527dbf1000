//! What PAR has not told us (docs/contract.md#open-questions), as this deployment answers it. Every default is that
//! page's, and the questions are named by its headings: U7 is docs/contract.md#u7.

use std::{str::FromStr, time::Duration};

use super::policy::LONGEST_WAIT;

/// The switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// HTTP status of a submit or validate that is answered `rejected` (U13).
    pub rejected_status: u16,
    /// HTTP status of a submit that is answered `errored` (U14).
    pub errored_status: u16,
    /// HTTP status when `x-pch-digest` is missing or wrong (U9).
    pub digest_status: u16,
    /// HTTP status of an organization or location that is not mapped (U16).
    pub unmapped_status: u16,
    /// What the digest of a request covers (U7).
    pub request_digest: RequestDigest,
    /// Take a request whose cents were cut off from binary doubles (U8, C2).
    pub accept_truncated_cents: bool,
    /// Sign the answers of the menus endpoint (U11).
    pub sign_menus: bool,
    /// Validate answers with, and signs, the totals that it calculated; else the caller's stay (U26).
    pub sign_calculated: bool,
    /// What a price that is not the menu's means (U26).
    pub prices: PricePolicy,
    /// A location without a menu takes no orders.
    pub menu_required: bool,
    /// Where the POS's order id stands in an answer (U24).
    pub pos_order_id_key: PosOrderIdKey,
    /// Serve `/posnext/orders/submit` and `/posnext/orders/validate`, too (C1).
    pub path_aliases: bool,
    /// How far `request_datetime` may be from now (U22).
    pub request_window: Option<Duration>,
    /// Tell how far a pending order is, in the member `processing`, which PAR's contract does not know.
    pub processing: bool,
    /// The longest that a poll may hold its answer; zero switches that off.
    pub longest_wait: Duration,
    /// Where the book is published, without a slash at its end: the `type` of a problem is a heading of it (U12).
    pub docs_url: String,
}

impl Default for Contract {
    fn default() -> Self {
        Self {
            rejected_status: 200,
            errored_status: 200,
            digest_status: 412,
            unmapped_status: 404,
            request_digest: RequestDigest::Order,
            accept_truncated_cents: false,
            sign_menus: false,
            sign_calculated: false,
            prices: PricePolicy::Reject,
            menu_required: false,
            pos_order_id_key: PosOrderIdKey::default(),
            path_aliases: true,
            request_window: None,
            processing: true,
            longest_wait: LONGEST_WAIT,
            docs_url: "/posnext/docs".to_owned(),
        }
    }
}

/// What the digest of a request covers (docs/contract.md#u7). Answers are always signed by the recipe of
/// docs/contract.md#signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestDigest {
    /// The order's six values, keyed with the SharedId (docs/contract.md#signature).
    #[default]
    Order,
    /// The path and the body as they came, keyed with the Client Secret, as Punchh does (docs/contract.md#signature).
    PathAndBody,
}

impl FromStr for RequestDigest {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "order" => Ok(Self::Order),
            "path-and-body" => Ok(Self::PathAndBody),
            _ => Err(()),
        }
    }
}

/// What a price or total means that is not what the menu makes it (docs/contract.md#u26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PricePolicy {
    /// The order is rejected.
    #[default]
    Reject,
    /// Validate tells our totals; a submit, which is paid already, is rejected.
    Recalculate,
    /// The caller's prices and totals stand.
    Trust,
}

impl PricePolicy {
    /// The policy for an order that is paid.
    #[must_use]
    pub fn at_submit(self) -> Self {
        match self {
            Self::Recalculate => Self::Reject,
            other => other,
        }
    }
}

impl FromStr for PricePolicy {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "reject" => Ok(Self::Reject),
            "recalculate" => Ok(Self::Recalculate),
            "trust" => Ok(Self::Trust),
            _ => Err(()),
        }
    }
}

/// Where the POS's order id stands in an answer (docs/contract.md#u24).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PosOrderIdKey {
    /// Inside `order_details`, or beside it.
    pub in_details: bool,
    /// Name of the member.
    pub name: String,
}

impl Default for PosOrderIdKey {
    fn default() -> Self {
        Self { in_details: true, name: "pos_order_id".to_owned() }
    }
}

impl FromStr for PosOrderIdKey {
    type Err = ();

    /// `order_details.NAME` or `NAME`, where the name is no member that the contract knows.
    fn from_str(text: &str) -> Result<Self, ()> {
        const TAKEN: [&str; 20] = [
            "status",
            "errors",
            "request_uid",
            "organization_id",
            "location_id",
            "request_datetime",
            "order_details",
            "online_order_id",
            "grand_total",
            "subtotal",
            "items",
            "discounts",
            "taxes",
            "fees",
            "tip",
            "payments",
            "customer",
            "delivery",
            "processing",
            "calculated",
        ];
        let (in_details, name) = text.strip_prefix("order_details.").map_or((false, text), |name| (true, name));
        let usable = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if usable && !TAKEN.contains(&name) { Ok(Self { in_details, name: name.to_owned() }) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_pos_order_id_is_a_new_member_of_the_answer_or_its_details() {
        let key = |text: &str| text.parse::<PosOrderIdKey>();
        assert_eq!(key("order_details.pos_order_id"), Ok(PosOrderIdKey::default()));
        assert_eq!(key("ticket"), Ok(PosOrderIdKey { in_details: false, name: "ticket".to_owned() }));
        for text in
            ["", "order_details.", "a.b", "status", "order_details.items", "order_details.customer", "a b", &"x".repeat(65)]
        {
            assert_eq!(key(text), Err(()), "{text}");
        }
    }

    #[test]
    fn a_paid_order_is_never_repriced() {
        assert_eq!(PricePolicy::Recalculate.at_submit(), PricePolicy::Reject);
        assert_eq!(PricePolicy::Trust.at_submit(), PricePolicy::Trust);
        assert_eq!(PricePolicy::Reject.at_submit(), PricePolicy::Reject);
    }
}
