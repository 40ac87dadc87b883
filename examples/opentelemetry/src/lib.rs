//! Exports the spans and metrics of a program that uses `openrouter-kit` with OTLP over HTTP.

use std::error::Error;

use openrouter_kit::hooks::Tracing;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_opentelemetry::{MetricsLayer, OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, layer::SubscriberExt};

/// The target of the events that are metrics; as log events they would only repeat the spans.
const METRICS: &str = "openrouter_kit::metrics";

/// The exporters. Shut them down at the end of the program, so that everything is sent.
pub struct Exporters {
    spans: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl Exporters {
    /// Sends everything that has not been sent yet. Blocks.
    pub fn shut_down(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.spans.shutdown()?;
        self.metrics.shutdown()?;
        Ok(())
    }
}

/// Creates a subscriber that exports to a collector, such as `http://localhost:4318`. Blocks: call it outside the
/// runtime.
pub fn subscriber(collector: &str) -> Result<(impl Subscriber + Send + Sync, Exporters), Box<dyn Error + Send + Sync>> {
    let resource = Resource::builder().with_service_name("openrouter-example").build();
    let spans = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(format!("{collector}/v1/traces"))
        .build()?;
    let spans = SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(spans).build();
    let metrics = MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(format!("{collector}/v1/metrics"))
        .build()?;
    let metrics = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_periodic_exporter(metrics)
        .with_view(units_and_buckets)
        .build();
    let of_spans = OpenTelemetryLayer::new(spans.tracer("openrouter-kit"))
        .with_location(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_threads(false)
        .with_filter(filter_fn(|metadata| metadata.target() != METRICS));
    let of_metrics = MetricsLayer::new(metrics.clone()).with_filter(filter_fn(|metadata| metadata.target() == METRICS));
    let subscriber = tracing_subscriber::registry().with(of_spans).with(of_metrics);
    Ok((subscriber, Exporters { spans, metrics }))
}

/// The units and buckets that the conventions require, which an event of `tracing` cannot carry.
fn units_and_buckets(instrument: &Instrument) -> Option<Stream> {
    let name = instrument.name();
    let calls = || (0..8).map(|power| f64::from(1 << power)).collect();
    let (unit, boundaries): (_, Vec<f64>) = if name.ends_with("duration") || name.ends_with("time_to_first_chunk") {
        ("s", (0..14).map(|power| 0.01 * f64::from(1 << power)).collect())
    } else if name.ends_with("tokens") {
        ("{token}", (0..14).map(|power| 4_f64.powi(power)).collect())
    } else if name.ends_with(".inference_calls") {
        ("{inference_call}", calls())
    } else if name.ends_with(".tool_calls") {
        ("{tool_call}", calls())
    } else {
        return None;
    };
    let stream = Stream::builder().with_name(name.to_owned()).with_unit(unit);
    let is_counter = name.contains(".usage.");
    let histogram = Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: true };
    if is_counter { stream.build().ok() } else { stream.with_aggregation(histogram).build().ok() }
}

/// Options with which requests carry the ids of their span, which connects OpenRouter's reports to the trace.
pub fn joining() -> Tracing {
    Tracing::new().trace_ids(|| {
        let context = tracing::Span::current().context();
        let span = context.span().span_context().clone();
        span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string()))
    })
}
