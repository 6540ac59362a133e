//! From requests to the message that a collector takes.

use prost::Message;

use crate::proto::{self, Any, AnyValue, KeyValue};
use crate::span::{Kind, Request, Span, Value};

/// Bit 8: it is known whether the parent is elsewhere; bit 9: it is. Below them the flags of W3C: sampled.
const FLAGS: u32 = 0x101;
const PARENT_IS_ELSEWHERE: u32 = 0x200;

/// `resource` says who sends.
pub fn message(resource: &[(&'static str, String)], requests: &[Request]) -> Vec<u8> {
    let count = requests.iter().map(Request::spans).sum::<u64>() as usize;
    let mut spans = Vec::with_capacity(count);
    for request in requests {
        let caller = request.caller.map(|id| id.to_be_bytes().to_vec());
        let status = request.error.map(|code| proto::Status {
            message: code.to_owned(),
            code: proto::STATUS_ERROR,
        });
        spans.push(proto::Span {
            parent_span_id: caller.unwrap_or_default(),
            kind: match request.kind {
                Kind::Server => proto::KIND_SERVER,
                Kind::Internal => proto::KIND_INTERNAL,
            },
            status,
            flags: match (request.kind, request.caller) {
                (Kind::Server, Some(_)) => FLAGS | PARENT_IS_ELSEWHERE,
                _ => FLAGS,
            },
            ..span(request, &request.root)
        });
        spans.extend(request.steps.iter().map(|step| proto::Span {
            parent_span_id: request.root.id.to_be_bytes().to_vec(),
            kind: proto::KIND_INTERNAL,
            flags: FLAGS,
            ..span(request, step)
        }));
    }
    let resource = resource
        .iter()
        .map(|(key, value)| attribute(key, Any::Text(value.clone())));
    let scope = proto::Scope {
        name: "ringfence".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let message = proto::ExportRequest {
        resource_spans: vec![proto::ResourceSpans {
            resource: Some(proto::Resource {
                attributes: resource.collect(),
            }),
            scope_spans: vec![proto::ScopeSpans {
                scope: Some(scope),
                spans,
            }],
        }],
    };
    message.encode_to_vec()
}

fn span(request: &Request, it: &Span) -> proto::Span {
    let own = it.attributes.iter().chain(&request.common);
    let attributes = own.map(|(key, value)| {
        let value = match value {
            Value::Text(text) => Any::Text(text.clone().into_owned()),
            Value::Number(number) => Any::Number(*number),
        };
        attribute(key, value)
    });
    proto::Span {
        trace_id: request.trace.to_be_bytes().to_vec(),
        span_id: it.id.to_be_bytes().to_vec(),
        name: it.name.clone().into_owned(),
        start_time_unix_nano: it.start_ns,
        end_time_unix_nano: it.end_ns,
        attributes: attributes.collect(),
        ..proto::Span::default()
    }
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
    }
}
