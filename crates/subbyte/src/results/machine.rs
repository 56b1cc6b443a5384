use std::fs;

/// The processor's name, as far as the system tells it, and how many threads compute.
pub fn machine() -> String {
    let name = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let name = name.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let threads = crate::threads();
    let s = if threads.get() == 1 { "" } else { "s" };
    format!("{name}, {threads} thread{s}")
}
