//! Log-odds of the rows of a shard.

use super::{Dropout, Network, Tape, multiply, of_role, zeros};
use crate::neural::batch::{Batch, Source};
use crate::neural::layers::dense::{affine, relu, start};
use crate::neural::layers::{attention, fusion, lstm, sage, spline};
use crate::neural::matrix::add_product;

impl Network {
    /// Log-odds of the rows of a shard, in the order of `tape.batch.rows`.
    pub fn forward(
        &self,
        tape: &mut Tape,
        source: Source<'_>,
        rows: &[usize],
        mut dropout: Option<Dropout>,
    ) {
        tape.kept.clear();
        if let Some(dropout) = &mut dropout {
            dropout.draw_features(self.shape.features, &mut tape.kept);
        }
        let mut batch = std::mem::take(&mut tape.batch);
        batch.fill(source, &self.scale, self.shape.event_types, rows);
        self.forward_tabular(tape, &batch);
        let masked = draw_masks(
            tape,
            dropout,
            batch.len() * self.shape.wide,
            batch.len() * self.shape.hidden,
        );
        if masked {
            multiply(&mut tape.wide, &tape.masks[0]);
        }
        affine(
            &mut tape.tabular,
            &tape.wide,
            self.part(&self.layout.tabular),
            self.part(&self.layout.tabular_bias),
        );
        relu(&mut tape.tabular);
        self.forward_graph(tape, &batch);
        self.forward_past(tape, &batch);
        self.forward_fusion(tape, masked);
        tape.batch = batch;
    }

    fn forward_tabular(&self, tape: &mut Tape, batch: &Batch) {
        let rows = batch.len();
        spline::place(&mut tape.cells, &self.scale.knots, &batch.tabular, rows);
        start(&mut tape.wide, rows, self.part(&self.layout.wide_bias));
        tape.raw.clear();
        tape.raw
            .resize(rows, self.weights[self.layout.output_bias.start]);
        let part = spline::Part {
            spline: self.part(&self.layout.spline),
            missing: self.part(&self.layout.missing),
            skip: self.part(&self.layout.skip),
            skip_missing: self.part(&self.layout.skip_missing),
        };
        let cells = spline::Cells {
            knots: &self.scale.knots,
            cells: &tape.cells,
            kept: &tape.kept,
        };
        spline::forward(&mut tape.wide, &mut tape.raw, &part, cells);
        relu(&mut tape.wide);
    }

    fn forward_graph(&self, tape: &mut Tape, batch: &Batch) {
        let (h, roles) = (self.shape.hidden, self.shape.roles);
        if !self.shape.graph {
            zeros(&mut tape.graph, batch.len() * h);
            return;
        }
        let own = self.part(&self.layout.event_own);
        affine(
            &mut tape.graph,
            &tape.tabular,
            own,
            self.part(&self.layout.event_bias),
        );
        tape.sages.resize_with(roles, sage::Tape::default);
        for (role, part) in batch.roles.iter().enumerate() {
            sage::forward(&mut tape.sages[role], part, &self.sage(role));
            let w = self.part(&of_role(&self.layout.event_entity, role, roles));
            add_product(&mut tape.graph, &tape.sages[role].entities, w, h, h);
        }
        relu(&mut tape.graph);
    }

    fn forward_past(&self, tape: &mut Tape, batch: &Batch) {
        let h = self.shape.hidden;
        if !self.shape.sequence {
            zeros(&mut tape.past, batch.len() * h);
            return;
        }
        lstm::forward(&mut tape.lstm, batch, &self.lstm());
        zeros(&mut tape.query, batch.len() * h);
        add_product(
            &mut tape.query,
            &tape.tabular,
            self.part(&self.layout.query),
            h,
            h,
        );
        attention::forward(
            &mut tape.attention,
            batch,
            &tape.query,
            &tape.lstm.states,
            h,
        );
        tape.last_and_pool.clear();
        let rows = tape
            .lstm
            .last
            .chunks_exact(h)
            .zip(tape.attention.pool.chunks_exact(h));
        for (last, pool) in rows {
            tape.last_and_pool.extend_from_slice(last);
            tape.last_and_pool.extend_from_slice(pool);
        }
        let (w, bias) = (
            self.part(&self.layout.past),
            self.part(&self.layout.past_bias),
        );
        affine(&mut tape.past, &tape.last_and_pool, w, bias);
        relu(&mut tape.past);
    }

    fn forward_fusion(&self, tape: &mut Tape, masked: bool) {
        let h = self.shape.hidden;
        tape.branches.clear();
        let rows = tape.tabular.chunks_exact(h);
        let rows = rows
            .zip(tape.graph.chunks_exact(h))
            .zip(tape.past.chunks_exact(h));
        for ((tabular, graph), past) in rows {
            for branch in [tabular, graph, past] {
                tape.branches.extend_from_slice(branch);
            }
        }
        let (w, bias) = (
            self.part(&self.layout.gate),
            self.part(&self.layout.gate_bias),
        );
        affine(&mut tape.gates, &tape.branches, w, bias);
        fusion::forward(&mut tape.gates, &mut tape.gated, &tape.branches);
        let (w, bias) = (
            self.part(&self.layout.fusion),
            self.part(&self.layout.fusion_bias),
        );
        affine(&mut tape.fused, &tape.gated, w, bias);
        relu(&mut tape.fused);
        if masked {
            multiply(&mut tape.fused, &tape.masks[1]);
        }
        let output = self.part(&self.layout.output);
        for (raw, fused) in tape.raw.iter_mut().zip(tape.fused.chunks_exact(h)) {
            *raw += fused.iter().zip(output).map(|(x, w)| x * w).sum::<f32>();
        }
    }
}

/// Inverted dropout (Srivastava et al. 2014) on the first tabular layer and the last one.
fn draw_masks(tape: &mut Tape, dropout: Option<Dropout>, wide: usize, fused: usize) -> bool {
    let Some(mut dropout) = dropout.filter(|it| it.share > 0.0) else {
        return false;
    };
    let kept = 1.0 / (1.0 - dropout.share);
    for (mask, len) in tape.masks.iter_mut().zip([wide, fused]) {
        mask.clear();
        mask.extend((0..len).map(|_| {
            if dropout.random.share() < dropout.share {
                0.0
            } else {
                kept
            }
        }));
    }
    true
}
