//! The admin HTTP API of a node.

pub mod seam;

pub use seam::ClusterApi;
