//! Tests over the whole house, and the demonstrator.
