//! The network as ONNX operators: the same formulas as `model::hybrid::forward`, for a batch.

use std::ops::Range;

use model::hybrid::Hybrid;
use model::hybrid::shape::{
    BRANCHES, GATES, NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_EVENT_TYPE, STEP_WIDTH, STEPS,
};

use super::Inputs;
use super::build::{Builder, Value, int, ints};
use super::proto::data_type;

/// Raw log-odds of the network, one column.
pub fn network(hybrid: &Hybrid, inputs: &Inputs, b: &mut Builder) -> Value {
    let part = Part { hybrid };
    let (layout, shape) = (hybrid.layout(), hybrid.shape());
    let (wide, skip) = part.wide(inputs, b);
    let tabular = b.affine(
        &wide,
        shape.wide,
        part.of(&layout.tabular),
        part.of(&layout.tabular_bias),
    );
    let tabular = b.rectify(&tabular);
    // A branch that is off gives zeros, of the same shape as the tabular one.
    let zero = b.scalar(0.0);
    let nothing = b.node("Mul", &[&tabular, &zero], Vec::new());
    let graph = match shape.graph {
        true => part.event(&tabular, inputs, b),
        false => nothing.clone(),
    };
    let past = match shape.sequence {
        true => part.past(&tabular, inputs, b),
        false => nothing,
    };
    let branches = b.concat(&[&tabular, &graph, &past], 1);
    let width = BRANCHES * shape.hidden;
    let gate = b.affine(
        &branches,
        width,
        part.of(&layout.gate),
        part.of(&layout.gate_bias),
    );
    let gate = b.node("Sigmoid", &[&gate], Vec::new());
    let gated = b.node("Mul", &[&gate, &branches], Vec::new());
    let fused = b.affine(
        &gated,
        width,
        part.of(&layout.fusion),
        part.of(&layout.fusion_bias),
    );
    let fused = b.rectify(&fused);
    let deep = b.affine(
        &fused,
        shape.hidden,
        part.of(&layout.output),
        part.of(&layout.output_bias),
    );
    b.node("Add", &[&deep, &skip], Vec::new())
}

struct Part<'a> {
    hybrid: &'a Hybrid,
}

/// The first tabular layer as one product: how far each piece between two knots is passed, times the difference
/// of the knots' rows.
struct Pieces {
    feature: Vec<i64>,
    low: Vec<f32>,
    span: Vec<f32>,
    /// Pieces x (wide + 1): the last column goes straight to the output.
    rows: Vec<f32>,
    /// Features with knots, and what a missing value adds to the row of the first knot.
    looked: Vec<i64>,
    missing: Vec<f32>,
    bias: Vec<f32>,
}

impl Part<'_> {
    fn of(&self, range: &Range<usize>) -> &[f32] {
        &self.hybrid.weights()[range.clone()]
    }

    fn pieces(&self) -> Pieces {
        let (layout, shape, knots) = (
            self.hybrid.layout(),
            self.hybrid.shape(),
            self.hybrid.knots(),
        );
        let row = |table: &Range<usize>, skip: &Range<usize>, at: usize| -> Vec<f32> {
            let row = &self.of(table)[at * shape.wide..(at + 1) * shape.wide];
            row.iter().chain([&self.of(skip)[at]]).copied().collect()
        };
        let of_knot = |at| row(&layout.spline, &layout.skip, at);
        let minus =
            |a: Vec<f32>, b: &[f32]| -> Vec<f32> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
        let mut bias = self.of(&layout.wide_bias).to_vec();
        bias.push(0.0);
        let mut pieces = Pieces {
            feature: Vec::new(),
            low: Vec::new(),
            span: Vec::new(),
            rows: Vec::new(),
            looked: Vec::new(),
            missing: Vec::new(),
            bias,
        };
        for feature in (0..shape.features).filter(|it| !knots.of(*it).is_empty()) {
            let of = knots.of(feature);
            let first = of_knot(of.start);
            let missing = row(&layout.missing, &layout.skip_missing, feature);
            pieces.looked.push(feature as i64);
            pieces.missing.extend(minus(missing, &first));
            pieces
                .bias
                .iter_mut()
                .zip(&first)
                .for_each(|(sum, it)| *sum += it);
            for knot in of.start..of.end - 1 {
                pieces.feature.push(feature as i64);
                pieces.low.push(knots.at[knot]);
                pieces.span.push(knots.at[knot + 1] - knots.at[knot]);
                pieces.rows.extend(minus(of_knot(knot + 1), &of_knot(knot)));
            }
        }
        // ONNX has no product over nothing.
        if pieces.feature.is_empty() {
            pieces.feature.push(0);
            (pieces.low, pieces.span) = (vec![0.0], vec![1.0]);
            pieces.rows = vec![0.0; shape.wide + 1];
        }
        if pieces.looked.is_empty() {
            pieces.looked.push(0);
            pieces.missing = vec![0.0; shape.wide + 1];
        }
        pieces
    }

    fn wide(&self, inputs: &Inputs, b: &mut Builder) -> (Value, Value) {
        let pieces = self.pieces();
        let (wide, columns) = (self.hybrid.shape().wide, self.hybrid.shape().wide + 1);
        let count = pieces.low.len();
        let along = vec![int("axis", 1)];
        let absent = b.node("IsNaN", &[&inputs.tabular], Vec::new());
        // Before every knot, so that a missing value has passed no piece.
        let lowest = b.scalar(f32::MIN);
        let present = b.node("Where", &[&absent, &lowest, &inputs.tabular], Vec::new());
        let of_piece = b.ints(&[count], &pieces.feature);
        let values = b.node("Gather", &[&present, &of_piece], along.clone());
        let (low, span) = (
            b.floats(&[count], &pieces.low),
            b.floats(&[count], &pieces.span),
        );
        let beyond = b.node("Sub", &[&values, &low], Vec::new());
        let passed = b.node("Div", &[&beyond, &span], Vec::new());
        let (zero, one) = (b.scalar(0.0), b.scalar(1.0));
        let passed = b.node("Clip", &[&passed, &zero, &one], Vec::new());
        let passed = b.product(&passed, &[count, columns], &pieces.rows);
        let looked = pieces.looked.len();
        let of_looked = b.ints(&[looked], &pieces.looked);
        let absent = b.node("Gather", &[&absent, &of_looked], along);
        let absent = b.cast(&absent, data_type::FLOAT);
        let absent = b.product(&absent, &[looked, columns], &pieces.missing);
        let bias = b.floats(&[columns], &pieces.bias);
        let sum = b.node("Add", &[&passed, &absent], Vec::new());
        let sum = b.node("Add", &[&sum, &bias], Vec::new());
        let sizes = b.ints(&[2], &[wide as i64, 1]);
        let parts = b.nodes("Split", "", &[&sum, &sizes], vec![int("axis", 1)], 2);
        (b.rectify(&parts[0]), parts[1].clone())
    }

    /// Two hops: entities from their interactions, the event from its entities.
    fn event(&self, tabular: &Value, inputs: &Inputs, b: &mut Builder) -> Value {
        let (layout, shape) = (self.hybrid.layout(), self.hybrid.shape());
        let (roles, h) = (shape.roles, shape.hidden);
        let matrix = self.of(&layout.message);
        let messages = b.product(&inputs.neighbourhood, &[roles, NEIGHBOUR_WIDTH, h], matrix);
        let bias = b.floats(&[roles, 1, h], self.of(&layout.message_bias));
        let messages = b.node("Add", &[&messages, &bias], Vec::new());
        let messages = b.rectify(&messages);
        let used = b.mask(&inputs.neighbours, NEIGHBOURS);
        let last = b.ints(&[1], &[-1]);
        let used = b.node("Unsqueeze", &[&used, &last], Vec::new());
        let messages = b.node("Mul", &[&messages, &used], Vec::new());
        let slots = b.ints(&[1], &[2]);
        let sum = b.node("ReduceSum", &[&messages, &slots], Vec::new());
        let count = b.node("ReduceSum", &[&used, &slots], Vec::new());
        let one = b.scalar(1.0);
        let count = b.node("Max", &[&count, &one], Vec::new());
        let mean = b.node("Div", &[&sum, &count], Vec::new());
        // Messages are never negative, so 0 is the maximum of none.
        let max = b.node("ReduceMax", &[&messages], vec![ints("axes", vec![2])]);
        let own = b.reshape(&inputs.entities, &[0, roles as i64, 1, NODE_WIDTH as i64]);
        let x = b.concat(&[&mean, &max, &own], 3);
        let by_role = |range: &Range<usize>| self.of(range).chunks_exact(range.len() / roles);
        let own = by_role(&layout.entity_mean).zip(by_role(&layout.entity_max));
        let matrix: Vec<f32> = own
            .zip(by_role(&layout.entity_own))
            .flat_map(|((mean, max), own)| [mean, max, own].concat())
            .collect();
        let entity = b.product(&x, &[roles, 2 * h + NODE_WIDTH, h], &matrix);
        let bias = b.floats(&[roles, 1, h], self.of(&layout.entity_bias));
        let entity = b.node("Add", &[&entity, &bias], Vec::new());
        let entity = b.rectify(&entity);
        let entities = b.reshape(&entity, &[0, (roles * h) as i64]);
        let x = b.concat(&[tabular, &entities], 1);
        let matrix = [self.of(&layout.event_own), self.of(&layout.event_entity)].concat();
        let event = b.affine(&x, (roles + 1) * h, &matrix, self.of(&layout.event_bias));
        b.rectify(&event)
    }

    /// LSTM over the steps, its last state and an attention pool of all states.
    fn past(&self, tabular: &Value, inputs: &Inputs, b: &mut Builder) -> Value {
        let (layout, h) = (self.hybrid.layout(), self.hybrid.shape().hidden);
        let (states, last) = self.states(inputs, b);
        let scale = 1.0 / (h as f32).sqrt();
        let query: Vec<f32> = self.of(&layout.query).iter().map(|it| it * scale).collect();
        let query = b.product(tabular, &[h, h], &query);
        let query = b.reshape(&query, &[0, h as i64, 1]);
        let scores = b.node("MatMul", &[&states, &query], Vec::new());
        let scores = b.reshape(&scores, &[0, STEPS as i64]);
        let used = b.mask(&inputs.steps, STEPS);
        let one = b.scalar(1.0);
        let unused = b.node("Sub", &[&one, &used], Vec::new());
        let far = b.scalar(-1e30);
        let unused = b.node("Mul", &[&unused, &far], Vec::new());
        let scores = b.node("Add", &[&scores, &unused], Vec::new());
        let weights = b.node("Softmax", &[&scores], vec![int("axis", 1)]);
        // Without steps all weigh alike; they must weigh nothing.
        let weights = b.node("Mul", &[&weights, &used], Vec::new());
        let weights = b.reshape(&weights, &[0, 1, STEPS as i64]);
        let pool = b.node("MatMul", &[&weights, &states], Vec::new());
        let pool = b.reshape(&pool, &[0, h as i64]);
        let both = b.concat(&[&last, &pool], 1);
        let past = b.affine(
            &both,
            2 * h,
            self.of(&layout.past),
            self.of(&layout.past_bias),
        );
        b.rectify(&past)
    }

    /// States, batch x steps x hidden, and the last of each row; zeros beyond a row's steps.
    fn states(&self, inputs: &Inputs, b: &mut Builder) -> (Value, Value) {
        let shape = self.hybrid.shape();
        let (h, types) = (shape.hidden, shape.event_types);
        let column = b.ints(&[1], &[STEP_EVENT_TYPE as i64]);
        let event_type = b.node("Gather", &[&inputs.sequence, &column], vec![int("axis", 2)]);
        let event_type = b.cast(&event_type, data_type::INT64);
        let most = b.ints(&[], &[types as i64 - 1]);
        let event_type = b.node("Min", &[&event_type, &most], Vec::new());
        let event_type = b.reshape(&event_type, &[0, STEPS as i64]);
        let (depth, values) = (b.ints(&[1], &[types as i64]), b.floats(&[2], &[0.0, 1.0]));
        let of_type = b.node("OneHot", &[&event_type, &depth, &values], Vec::new());
        let x = b.concat(&[&inputs.sequence, &of_type], 2);
        let x = b.transpose(&x, &[1, 0, 2]);
        let [w, r, bias] = self.lstm(b);
        let one = b.ints(&[], &[1]);
        // The operator wants at least one step; rows without any are masked below.
        let lengths = b.node("Max", &[&inputs.steps, &one], Vec::new());
        let lengths = b.cast(&lengths, data_type::INT32);
        let found = b.nodes(
            "LSTM",
            "",
            &[&x, &w, &r, &bias, &lengths],
            vec![int("hidden_size", h as i64)],
            2,
        );
        let used = b.mask(&inputs.steps, STEPS);
        let states = b.transpose(&found[0], &[2, 0, 1, 3]);
        let states = b.reshape(&states, &[0, STEPS as i64, h as i64]);
        let last_axis = b.ints(&[1], &[-1]);
        let mask = b.node("Unsqueeze", &[&used, &last_axis], Vec::new());
        let states = b.node("Mul", &[&states, &mask], Vec::new());
        let any = b.mask(&inputs.steps, 1);
        let last = b.reshape(&found[1], &[-1, h as i64]);
        let last = b.node("Mul", &[&last, &any], Vec::new());
        (states, last)
    }

    /// Weights of the operator: gates by rows, in its order input, output, forget, cell (ours is PyTorch's: input,
    /// forget, cell, output).
    fn lstm(&self, b: &mut Builder) -> [Value; 3] {
        const ORDER: [usize; GATES] = [0, 3, 1, 2];
        let (layout, shape) = (self.hybrid.layout(), self.hybrid.shape());
        let (h, types) = (shape.hidden, shape.event_types);
        let gates = ORDER.map(|gate| gate * h..(gate + 1) * h);
        let transposed = |matrix: &[f32]| -> Vec<f32> {
            let column = |at: usize| matrix.iter().skip(at).step_by(GATES * h).copied();
            gates.iter().cloned().flatten().flat_map(column).collect()
        };
        let x = [self.of(&layout.step), self.of(&layout.step_event_type)].concat();
        let bias = self.of(&layout.recurrent_bias);
        let mut biases: Vec<f32> = gates.iter().cloned().flatten().map(|it| bias[it]).collect();
        biases.resize(2 * GATES * h, 0.0);
        [
            b.floats(&[1, GATES * h, STEP_WIDTH + types], &transposed(&x)),
            b.floats(&[1, GATES * h, h], &transposed(self.of(&layout.recurrent))),
            b.floats(&[1, 2 * GATES * h], &biases),
        ]
    }
}
