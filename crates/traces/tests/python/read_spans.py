"""Reads a message as a collector does, by the classes that OpenTelemetry publishes, and prints its spans as JSON."""

import json
import sys

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def attributes(of):
    return {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in of}


message = ExportTraceServiceRequest.FromString(open(sys.argv[1], "rb").read())
spans = []
for resource in message.resource_spans:
    for scope in resource.scope_spans:
        for span in scope.spans:
            spans.append({
                "resource": attributes(resource.resource.attributes),
                "scope": scope.scope.name,
                "name": span.name,
                "kind": Span.SpanKind.Name(span.kind),
                "trace": span.trace_id.hex(),
                "span": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
                "times": [span.start_time_unix_nano, span.end_time_unix_nano],
                "attributes": attributes(span.attributes),
                "status": [Status.StatusCode.Name(span.status.code), span.status.message],
                "flags": span.flags,
            })
# What the published messages do not know would be kept here, unread.
assert ExportTraceServiceRequest.FromString(message.SerializeToString()) == message
print(json.dumps(spans))
