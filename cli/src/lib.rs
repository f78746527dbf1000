//! posnext on one machine: the whole product over embedded engines, and a client that plays PAR.

pub mod local;
pub mod par;
