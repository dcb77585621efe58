"""Decodes messages of OTLP, one JSON object per line, with OpenTelemetry's own definition.

An unknown field or a value of another type is an error. Prints one JSON object per span.
"""

import base64
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

for line in sys.stdin:
    message = json.loads(line)
    # In OTLP these two are hexadecimal; elsewhere in the JSON of Protobuf bytes are Base64.
    for resource in message["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId"):
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    request = json_format.ParseDict(message, ExportTraceServiceRequest())
    for resource in request.resource_spans:
        service = {a.key: a.value.string_value for a in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                values = {}
                for attribute in span.attributes:
                    kind = attribute.value.WhichOneof("value")
                    values[attribute.key] = getattr(attribute.value, kind)
                print(json.dumps({
                    "service": service["service.name"],
                    "trace": span.trace_id.hex(),
                    "span": span.span_id.hex(),
                    "name": span.name,
                    "kind": span.kind,
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "failed": span.status.code == 2,
                    "attributes": values,
                }))
