//! The engine as a WebAssembly module with plain functions; `subbyte.mjs` beside it makes them a class.
//!
//! Whoever calls writes a model to [`file`] and calls [`load`]; then, for every image, writes it to [`image`] and calls [`run`].
//! The module holds one model; instantiate it once more for another.

use std::sync::{Mutex, MutexGuard, PoisonError};

use subbyte_engine::{Arena, Options, Plan};

/// A model that is ready to run.
struct Loaded {
    plan: Plan,
    arena: Arena,
    /// u8 `[height][width][colours]`.
    image: Vec<u8>,
    logits: Vec<i32>,
}

struct State {
    file: Vec<u8>,
    loaded: Option<Loaded>,
    message: String,
}

static STATE: Mutex<State> = Mutex::new(State {
    file: Vec::new(),
    loaded: None,
    message: String::new(),
});

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prepare(file: &[u8]) -> Result<Loaded, String> {
    let model = subbyte_model::read(file).map_err(|error| error.to_string())?;
    let plan = Plan::new(&model, Options::default()).map_err(|error| error.to_string())?;
    Ok(Loaded {
        arena: plan.arena(),
        image: vec![0; plan.image_bytes()],
        logits: vec![0; plan.classes()],
        plan,
    })
}

/// Space for a `.sbm` file of that many bytes.
#[unsafe(no_mangle)]
pub extern "C" fn file(bytes: usize) -> *mut u8 {
    let mut state = state();
    state.file = vec![0; bytes];
    state.file.as_mut_ptr()
}

/// Reads the file and prepares the model in it: 1, or 0 where that failed, and [`message`] says why.
#[unsafe(no_mangle)]
pub extern "C" fn load() -> i32 {
    let mut state = state();
    match prepare(&std::mem::take(&mut state.file)) {
        Ok(loaded) => {
            state.message = loaded.plan.level().to_string();
            state.loaded = Some(loaded);
            1
        }
        Err(message) => {
            state.message = message;
            state.loaded = None;
            0
        }
    }
}

/// UTF-8: after [`load`] the instruction set in use, or what is wrong with the file.
#[unsafe(no_mangle)]
pub extern "C" fn message() -> *const u8 {
    state().message.as_ptr()
}

/// Bytes of [`message`].
#[unsafe(no_mangle)]
pub extern "C" fn message_bytes() -> usize {
    state().message.len()
}

/// Where the image belongs, u8 `[height][width][colours]`; null without a model.
#[unsafe(no_mangle)]
pub extern "C" fn image() -> *mut u8 {
    match &mut state().loaded {
        Some(loaded) => loaded.image.as_mut_ptr(),
        None => std::ptr::null_mut(),
    }
}

/// Bytes of an image, height * width * colours; 0 without a model.
#[unsafe(no_mangle)]
pub extern "C" fn image_bytes() -> usize {
    state()
        .loaded
        .as_ref()
        .map_or(0, |loaded| loaded.image.len())
}

/// Number of logits; 0 without a model.
#[unsafe(no_mangle)]
pub extern "C" fn classes() -> usize {
    state()
        .loaded
        .as_ref()
        .map_or(0, |loaded| loaded.logits.len())
}

/// Runs the model on the image and returns where its logits are, one i32 a class; null without a model.
#[unsafe(no_mangle)]
pub extern "C" fn run() -> *const i32 {
    let Some(loaded) = &mut state().loaded else {
        return std::ptr::null();
    };
    match loaded.plan.run(&mut loaded.arena, &loaded.image) {
        Ok(logits) => loaded.logits.copy_from_slice(logits),
        Err(error) => unreachable!("{error}"),
    }
    loaded.logits.as_ptr()
}
