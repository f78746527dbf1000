//! What every posnext function shares.
//!
//! Layers, from the inside out. A test (`tests/product/layers.rs`) holds the arrows to this direction:
//!
//! | module | knows | never knows |
//! |---|---|---|
//! | [`domain`] | the order, money, the signing recipe, the state machine; time as an argument | AWS, HTTP, clocks, environment |
//! | [`app`] | the domain and small ports, one verb each: accept, process, read, recover | AWS types, HTTP types |
//! | `adapters` | DynamoDB, SQS, Secrets Manager, the POS over HTTP | each other |
//! | `edge` | requests in, signed answers out; queue batches; the settings | DynamoDB |
//! | `wiring` | all of them, once: builds each function from its settings | |

pub mod app;
pub mod domain;

#[cfg(feature = "aws")]
pub mod adapters;
#[cfg(feature = "aws")]
pub mod edge;
#[cfg(feature = "aws")]
pub mod settings;
#[cfg(feature = "aws")]
pub mod wiring;
