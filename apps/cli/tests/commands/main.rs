//! The commands that look at files, run as people run them.

mod bench;
mod cpu;
mod data;
mod diff;
mod eval;
mod inspect;
mod plot;
mod predict;
mod quantize;
mod ray;
mod sample;
mod score;
mod support;
mod sweep;
mod train;
mod verify;
mod zoo;
