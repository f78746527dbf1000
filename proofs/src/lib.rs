//! What puts a deployment to the proof: PAR's integration checklist, load, faults.

pub mod certify;
pub mod faults;
pub mod lambda;
pub mod load;
pub mod progress;
