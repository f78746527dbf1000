//! posnext on AWS, around the rules and use cases of [`posnext_shared`]. A test (`tests/product/layers.rs`) holds the
//! arrows to this direction:
//!
//! | module | knows | never knows |
//! |---|---|---|
//! | [`adapters`] | DynamoDB, SQS, Secrets Manager, the POS over HTTP | Lambda's events, each other, the edge |
//! | [`edge`] | requests in, signed answers out; queue batches | DynamoDB, any adapter |
//! | [`settings`] | the environment | |
//! | [`wiring`] | all of them, once: builds each function from its settings | |

pub mod adapters;
pub mod edge;
pub mod settings;
pub mod wiring;
