//! Correction: getting a sum although members are missing.

pub mod resend;
