//! A graph under construction: each operation returns the name of what it gives.

use super::proto::{
    Attribute, Dimension, Graph, Node, Shape, Tensor, TensorType, Type, ValueInfo, attribute_kind,
    data_type,
};

/// Name of a value in the graph.
pub type Value = String;

#[derive(Debug, Default)]
pub struct Builder {
    graph: Graph,
}

impl Builder {
    /// `dims` behind the batch.
    pub fn input(&mut self, name: &str, elem_type: i32, dims: &[usize], doc: &str) -> Value {
        self.graph.input.push(info(name, elem_type, dims, doc));
        name.to_owned()
    }

    /// Makes a value an output of one number per row.
    pub fn output(&mut self, from: &Value, name: &str, doc: &str) {
        let node = self.node("Identity", &[from], Vec::new());
        let last = self.graph.node.len() - 1;
        debug_assert_eq!(self.graph.node[last].output[0], node);
        self.graph.node[last].output[0] = name.to_owned();
        self.graph
            .output
            .push(info(name, data_type::FLOAT, &[], doc));
    }

    pub fn finish(mut self, name: &str) -> Graph {
        self.graph.name = name.to_owned();
        self.graph
    }

    pub fn floats(&mut self, dims: &[usize], values: &[f32]) -> Value {
        let bytes = values.iter().flat_map(|it| it.to_le_bytes()).collect();
        self.tensor(data_type::FLOAT, dims, bytes, values.len())
    }

    pub fn doubles(&mut self, dims: &[usize], values: &[f64]) -> Value {
        let bytes = values.iter().flat_map(|it| it.to_le_bytes()).collect();
        self.tensor(data_type::DOUBLE, dims, bytes, values.len())
    }

    pub fn ints(&mut self, dims: &[usize], values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|it| it.to_le_bytes()).collect();
        self.tensor(data_type::INT64, dims, bytes, values.len())
    }

    pub fn scalar(&mut self, value: f32) -> Value {
        self.floats(&[], &[value])
    }

    fn tensor(&mut self, data_type: i32, dims: &[usize], raw_data: Vec<u8>, len: usize) -> Value {
        assert_eq!(dims.iter().product::<usize>(), len, "a tensor is full");
        let name = format!("c{}", self.graph.initializer.len());
        self.graph.initializer.push(Tensor {
            dims: dims.iter().map(|it| *it as i64).collect(),
            data_type,
            name: name.clone(),
            raw_data,
        });
        name
    }

    /// Any operator of the default domain with one output.
    pub fn node(&mut self, op: &str, inputs: &[&Value], attributes: Vec<Attribute>) -> Value {
        self.nodes(op, "", inputs, attributes, 1).remove(0)
    }

    /// An operator with several outputs.
    pub fn nodes(
        &mut self,
        op: &str,
        domain: &str,
        inputs: &[&Value],
        attribute: Vec<Attribute>,
        outputs: usize,
    ) -> Vec<Value> {
        let at = self.graph.node.len();
        let output: Vec<Value> = (0..outputs).map(|it| format!("v{at}_{it}")).collect();
        self.graph.node.push(Node {
            input: inputs.iter().map(|it| (*it).clone()).collect(),
            output: output.clone(),
            name: format!("{op}_{at}"),
            op_type: op.to_owned(),
            attribute,
            domain: domain.to_owned(),
        });
        output
    }

    /// `x M + bias`.
    pub fn affine(&mut self, x: &Value, rows: usize, matrix: &[f32], bias: &[f32]) -> Value {
        let product = self.product(x, &[rows, bias.len()], matrix);
        let bias = self.floats(&[bias.len()], bias);
        self.node("Add", &[&product, &bias], Vec::new())
    }

    pub fn product(&mut self, x: &Value, dims: &[usize], matrix: &[f32]) -> Value {
        let matrix = self.floats(dims, matrix);
        self.node("MatMul", &[x, &matrix], Vec::new())
    }

    pub fn rectify(&mut self, x: &Value) -> Value {
        self.node("Relu", &[x], Vec::new())
    }

    pub fn concat(&mut self, values: &[&Value], axis: i64) -> Value {
        self.node("Concat", values, vec![int("axis", axis)])
    }

    pub fn cast(&mut self, x: &Value, to: i32) -> Value {
        self.node("Cast", &[x], vec![int("to", i64::from(to))])
    }

    /// 0 keeps a dimension, -1 takes what is left.
    pub fn reshape(&mut self, x: &Value, dims: &[i64]) -> Value {
        let dims = self.ints(&[dims.len()], dims);
        self.node("Reshape", &[x, &dims], Vec::new())
    }

    pub fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        self.node("Transpose", &[x], vec![ints("perm", order.to_vec())])
    }

    /// 1 at the first `counts` of `slots`, else 0; one dimension more than `counts` has.
    pub fn mask(&mut self, counts: &Value, slots: usize) -> Value {
        let at: Vec<i64> = (0..slots as i64).collect();
        let at = self.ints(&[slots], &at);
        let last = self.ints(&[1], &[-1]);
        let counts = self.node("Unsqueeze", &[counts, &last], Vec::new());
        let used = self.node("Less", &[&at, &counts], Vec::new());
        self.cast(&used, data_type::FLOAT)
    }
}

fn info(name: &str, elem_type: i32, dims: &[usize], doc: &str) -> ValueInfo {
    let batch = Dimension {
        value: None,
        param: Some("batch".to_owned()),
    };
    let fixed = dims.iter().map(|it| Dimension {
        value: Some(*it as i64),
        param: None,
    });
    let dim = std::iter::once(batch).chain(fixed).collect();
    ValueInfo {
        name: name.to_owned(),
        kind: Some(Type {
            tensor: Some(TensorType {
                elem_type,
                shape: Some(Shape { dim }),
            }),
        }),
        doc_string: doc.to_owned(),
    }
}

pub fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.to_owned(),
        i: Some(value),
        kind: attribute_kind::INT,
        ..Attribute::default()
    }
}

pub fn ints(name: &str, values: Vec<i64>) -> Attribute {
    Attribute {
        name: name.to_owned(),
        ints: values,
        kind: attribute_kind::INTS,
        ..Attribute::default()
    }
}

pub fn floats(name: &str, values: Vec<f32>) -> Attribute {
    Attribute {
        name: name.to_owned(),
        floats: values,
        kind: attribute_kind::FLOATS,
        ..Attribute::default()
    }
}

pub fn text(name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.to_owned(),
        s: Some(value.as_bytes().to_vec()),
        kind: attribute_kind::STRING,
        ..Attribute::default()
    }
}

pub fn texts(name: &str, values: &[&str]) -> Attribute {
    Attribute {
        name: name.to_owned(),
        strings: values.iter().map(|it| it.as_bytes().to_vec()).collect(),
        kind: attribute_kind::STRINGS,
        ..Attribute::default()
    }
}
