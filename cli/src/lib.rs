//! posnext on one machine: the whole product over embedded engines, a client that plays PAR,
//! and what puts it to the proof.

pub mod certify;
pub mod faults;
pub mod lambda;
pub mod load;
pub mod local;
pub mod par;
pub mod pos;
pub mod progress;
pub mod secret_store;
