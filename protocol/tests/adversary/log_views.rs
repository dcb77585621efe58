//! Neighbours that were shown different logs.
