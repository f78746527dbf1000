//! What every posnext function shares: the order, the signing recipe, the rules and the use cases. This crate knows no
//! AWS, no HTTP client, no clock and no environment, and cannot: it depends on none. What does is `posnext-aws`.
//!
//! | module | knows | never knows |
//! |---|---|---|
//! | [`domain`] | the order, money, the signing recipe, the state machine; time as an argument | ports, async |
//! | [`app`] | the domain and small ports, one verb each: accept, process, read, recover | who implements them |

pub mod app;
pub mod domain;
