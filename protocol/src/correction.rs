//! Correction for members that failed, in two modes: a property of the net.

pub mod double_mask;
pub mod resend;
