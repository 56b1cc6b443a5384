use std::path::PathBuf;

use super::{
    ActivationQuantizer, Bits, End, FromScales, Input, OptimizerKind, Recipe, Schedule,
    WeightQuantizer,
};
use crate::{TrainError, imported::IMPORTED};
use subbyte_graph::TABLE_ROWS;

impl Recipe {
    /// Checks that the keys fit together.
    ///
    /// # Errors
    /// All combinations that are impossible.
    pub fn validate(&self) -> Result<(), TrainError> {
        let mut problems = Vec::new();
        self.check_bits(&mut problems);
        self.check_table(&mut problems);
        self.check_training(&mut problems);
        self.check_imported(&mut problems);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(TrainError::recipe(problems))
        }
    }

    fn check_bits(&self, problems: &mut Vec<String>) {
        match self.bits {
            Bits::Float => {
                for (key, end) in [("first", self.first), ("last", self.last)] {
                    if end == End::EightBit {
                        problems.push(format!("`{key}` is eight-bit but `bits` is float"));
                    }
                }
            }
            Bits::Low(bits) => {
                if [bits.weights, bits.activations]
                    .iter()
                    .any(|bits| !(1..=8).contains(bits))
                {
                    problems.push(format!(
                        "`bits` is {bits}: weights and activations have 1 to 8 bits"
                    ));
                }
            }
        }
        if !(2..=8).contains(&self.residual_bits) {
            problems.push(format!(
                "`residual-bits` is {}: a residual stream has 2 to 8",
                self.residual_bits
            ));
        }
        if self.bits == Bits::Float {
            let activations = self.activation_quantizer != ActivationQuantizer::Lsq;
            let weights = self.weight_quantizer != WeightQuantizer::Lsq;
            for (key, set) in [("activation", activations), ("weight", weights)] {
                if set {
                    problems.push(format!("`{key}-quantizer` is set but `bits` is float"));
                }
            }
        }
        let learned_steps = matches!(self.bits, Bits::Low(bits) if bits.weights > 1)
            && self.weight_quantizer == WeightQuantizer::Lsq;
        if self.dampening > 0.0 && !learned_steps {
            problems.push(
                "`dampening` is set, but no weights have a learned step: it needs 2 bits and `weight-quantizer = \"lsq\"`".into(),
            );
        }
    }

    fn check_table(&self, problems: &mut Vec<String>) {
        let coded = self.first == End::Body && self.bits != Bits::Float;
        let learned = coded && self.input() == Input::Table;
        for (key, set) in [
            ("smoothness", self.table.smoothness != 0.0),
            ("equalise", self.table.equalise),
        ] {
            if set && !learned {
                problems.push(format!(
                    "`table.{key}` is set, but the table is not learned"
                ));
            }
        }
        if !(1..=256).contains(&self.table.depth) {
            problems.push(format!(
                "`table.depth` is {}: it must be 1 to 256",
                self.table.depth
            ));
        }
        if !TABLE_ROWS.contains(&self.table.rows) {
            problems.push(format!(
                "`table.rows` is {}: it must be 256 or a smaller power of two",
                self.table.rows
            ));
        } else if self.table.rows != 256 && !learned {
            problems.push("`table.rows` is set, but the table is not learned".into());
        }
        if self.table.bits.is_some_and(|bits| !(1..=8).contains(&bits)) {
            problems.push("`table.bits` must be 1 to 8".into());
        }
    }

    fn check_training(&self, problems: &mut Vec<String>) {
        let mut require = |holds: bool, text: &str| {
            if !holds {
                problems.push(text.to_owned());
            }
        };
        require(
            self.epochs > 0 || self.from.is_some(),
            "`epochs` must be at least 1, or 0 with a network in `from`",
        );
        // Batch norm has no variance over one value.
        require(self.batch_size > 1, "`batch-size` must be at least 2");
        require(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "`learning-rate` must be above 0",
        );
        require(
            (0.0..1.0).contains(&self.momentum),
            "`momentum` must be from 0 to below 1",
        );
        require(
            self.optimizer != OptimizerKind::Sgd || self.momentum > 0.0 || !self.nesterov,
            "`nesterov` needs a `momentum` above 0",
        );
        require(
            self.step_factor > 0.0 && self.step_factor <= 1.0,
            "`step-factor` must be above 0, at most 1",
        );
        require(
            (self.schedule == Schedule::Steps) != self.steps_at.is_empty(),
            "`steps-at` belongs to `schedule = \"steps\"`, and must be set there",
        );
        require(
            self.steps_at.is_sorted_by(|a, b| a < b)
                && self.steps_at.iter().all(|e| (1..self.epochs).contains(e)),
            "`steps-at` must ascend from 1 to below `epochs`",
        );
        require(
            self.epochs == 0 || (0.0..self.epochs as f64).contains(&self.warm_up_epochs),
            "`warm-up-epochs` must be from 0 to below `epochs`",
        );
        require(
            (0.0..1.0).contains(&self.weight_decay),
            "`weight-decay` must be from 0 to below 1",
        );
        require(
            self.step_gradient_scale.is_finite() && self.step_gradient_scale >= 0.0,
            "`step-gradient-scale` must be at least 0",
        );
        require(
            self.dampening.is_finite() && self.dampening >= 0.0,
            "`dampening` must be at least 0",
        );
        require(
            (0.0..1.0).contains(&self.label_smoothing),
            "`label-smoothing` must be from 0 to below 1",
        );
        require(
            (0.0..=1.0).contains(&self.teacher_weight),
            "`teacher-weight` must be from 0 to 1",
        );
        require(
            self.teacher_temperature.is_finite() && self.teacher_temperature > 0.0,
            "`teacher-temperature` must be above 0",
        );
        require(
            (0.0..1.0).contains(&self.data.validation),
            "`data.validation` must be from 0 to below 1",
        );
        let size = self.data.size.unwrap_or(1);
        require((1..=4096).contains(&size), "`data.size` must be 1 to 4096");
        require(
            self.data.shorter_side.is_none_or(|side| {
                self.data.size.is_some() && (size..=size.saturating_mul(4)).contains(&side)
            }),
            "`data.shorter-side` belongs to `data.size`: from that to four times as much",
        );
        require(
            self.augment
                .crop
                .is_none_or(|area| area > 0.0 && area <= 1.0),
            "`augment.crop` must be above 0, at most 1",
        );
        require(
            self.augment.crop.is_none() || self.augment.pad == 0,
            "`augment.crop` and `augment.pad` are two ways to cut out; set one of them",
        );
        require(
            self.table.smoothness.is_finite() && self.table.smoothness >= 0.0,
            "`table.smoothness` must be at least 0",
        );
        require(
            self.table.learning_rate_factor.is_finite() && self.table.learning_rate_factor >= 0.0,
            "`table.learning-rate-factor` must be at least 0",
        );
    }

    fn check_imported(&self, problems: &mut Vec<String>) {
        let onnx = |path: &Option<PathBuf>| {
            let path = path.as_deref();
            path.is_some_and(|path| path.extension().is_some_and(|e| e == "onnx"))
        };
        if self.preprocess.is_some() && !onnx(&self.from) && !onnx(&self.teacher) {
            problems.push(
                "`preprocess` is set, but neither `from` nor `teacher` is an ONNX file".into(),
            );
        }
        if self.network != IMPORTED {
            if onnx(&self.from) {
                problems.push(format!(
                    "`from` is an ONNX file; set `network = \"{IMPORTED}\"` to train the network that it holds"
                ));
            }
            return;
        }
        if self.from.is_none() {
            problems.push(format!("`network` is {IMPORTED}, but `from` names no file"));
        }
        if self.from_scales != FromScales::Keep {
            problems
                .push("`from-scales` is set, but an imported float network has no scales".into());
        }
        if self.bits == Bits::Float {
            return;
        }
        for (key, end) in [("first", self.first), ("last", self.last)] {
            if end == End::Float {
                problems.push(format!(
                    "`{key}` is float, but an imported network is quantized in every layer; use body or eight-bit"
                ));
            }
        }
        if self.activation_quantizer != ActivationQuantizer::Lsq
            || self.weight_quantizer != WeightQuantizer::Lsq
        {
            problems.push("an imported network has learned steps: `activation-quantizer` and `weight-quantizer` must be lsq".into());
        }
    }

    /// What turns pixels into codes where the first layer is like the body.
    pub fn input(&self) -> Input {
        self.input.unwrap_or(Input::Table)
    }
}
