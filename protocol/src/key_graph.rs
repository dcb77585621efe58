//! Key graph.
