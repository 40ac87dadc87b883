//! Prices: exact arithmetic, the cost of a call, and the cheapest model.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openrouter_kit::helpers::{Consumption, ModelNeeds, Usd};
use openrouter_kit::models::{ChatUsage, MessagesUsage, Model, PublicEndpoint, PublicPricing, ResponsesUsage};
use serde_json::{Value, json};

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn pricing(value: Value) -> PublicPricing {
    read(value)
}

#[test]
fn an_amount_prints_as_the_decimal_number_that_was_read() {
    for text in ["0", "0.00000015", "12", "1.5", "-0.25", "0.000000000000000001", "170141183460469231731"] {
        let expected = text;
        let Ok(amount) = text.parse::<Usd>() else {
            assert_eq!(text, "170141183460469231731", "only this one is too large");
            continue;
        };
        assert_eq!(amount.to_string(), expected);
    }
    for (text, expected) in [("8e-8", "0.00000008"), ("1E3", "1000"), (" +0.50 ", "0.5"), (".5", "0.5"), ("5.", "5")] {
        assert_eq!(usd(text).to_string(), expected);
    }
    for (text, expected) in [
        ("0.0000000000000000004", "0"),
        ("0.0000000000000000005", "0.000000000000000001"),
        ("0.00000000000000000149", "0.000000000000000001"),
        ("0.0000000000000000015", "0.000000000000000002"),
        ("-1.5e-18", "-0.000000000000000002"),
        ("0.12345678901234567849", "0.123456789012345678"),
        ("0.1234567890123456785", "0.123456789012345679"),
    ] {
        assert_eq!(usd(text).to_string(), expected, "{text} is rounded to 18 places");
    }
    assert_eq!(usd("1e-40"), Usd::ZERO);
    assert_eq!(format!("{:>8}|{:?}", usd("0.5"), usd("0.5")), "     0.5|Usd(0.5)");
}

#[test]
fn a_text_that_is_not_an_amount_is_refused_by_name() {
    for text in ["", ".", "-", "free", "1,5", "0x10", "1e", "1e999999999999", "NaN", "1e30", "--1", "1.2.3"] {
        let error = text.parse::<Usd>().unwrap_err().to_string();
        assert!(error.contains(&format!("{text:?}")), "{error}");
    }
}

#[test]
fn sums_of_small_prices_do_not_drift() {
    let third: Usd = std::iter::repeat_n(usd("0.1"), 3).sum();
    assert_eq!(third, usd("0.3"));
    assert_eq!(usd("0.00000015").per_million(), usd("0.15"));
    assert_eq!(Usd::from_f64(0.1 + 0.2), Some(usd("0.30000000000000004")));
    assert_eq!(Usd::from_f64(8e-8), Some(usd("0.00000008")));
    assert_eq!(Usd::from_f64(f64::NAN), None);
    assert_eq!(usd("0.00000015").as_f64(), 0.000_000_15);
    assert_eq!(usd("1e20") + usd("1e20"), usd("1e20") * 5, "sums beyond the range saturate");
}

#[test]
fn each_unit_costs_its_own_price() {
    let pricing = pricing(json!({
        "prompt": "0.000003", "completion": "0.000015", "request": "0.01", "image": "0.002", "web_search": "0.02",
        "input_cache_read": "0.0000003", "input_cache_write": "0.00000375", "internal_reasoning": "0.00002"
    }));
    assert_eq!(pricing.cost(Consumption::new(1000, 100)), Ok(usd("0.0145")));
    let mut all = Consumption::new(1000, 100);
    (all.cache_read_tokens, all.cache_write_tokens, all.reasoning_tokens) = (600, 100, 40);
    (all.images, all.web_searches) = (2, 3);
    // 300 × 3e-6 + 600 × 3e-7 + 100 × 3.75e-6 + 60 × 1.5e-5 + 40 × 2e-5 + 0.01 + 2 × 0.002 + 3 × 0.02
    assert_eq!(pricing.cost(all), Ok(usd("0.077155")));
}

#[test]
fn what_has_no_price_of_its_own_costs_as_much_as_other_tokens() {
    let pricing =
        pricing(json!({"prompt": "0.000002", "completion": "0.000004", "internal_reasoning": "0", "audio": "0"}));
    let mut used = Consumption::new(100, 50);
    (used.cache_read_tokens, used.cache_write_tokens, used.reasoning_tokens, used.audio_tokens) = (40, 10, 50, 20);
    assert_eq!(pricing.cost(used), Ok(usd("0.0004")));
}

#[test]
fn a_price_that_varies_is_an_error_only_if_it_is_needed() {
    let router = pricing(json!({"prompt": "-1", "completion": "-1"}));
    let error = router.cost(Consumption::new(1, 1)).unwrap_err();
    assert_eq!((error.name, error.value.as_str()), ("prompt", "-1"));
    assert_eq!(error.to_string(), "the price `prompt` is \"-1\": it varies by the model that the router chooses");
    let odd = pricing(json!({"prompt": "0.1", "completion": "free"}));
    assert_eq!(odd.cost(Consumption::new(10, 0)), Ok(usd("1")));
    assert!(odd.cost(Consumption::new(10, 1)).unwrap_err().to_string().contains("`completion` is \"free\""));
}

#[test]
fn the_last_special_rate_that_applies_decides_each_price() {
    let pricing = pricing(json!({
        "prompt": "0.000001", "completion": "0.000002",
        "overrides": [
            {"min_prompt_tokens": 200_000, "prompt": "0.000002", "completion": "0.000003"},
            {"utc_days": ["saturday", "sunday"], "prompt": "0.0000005"},
            {"utc_start": 2200, "utc_end": 600, "completion": "0.000001"}
        ]
    }));
    let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
    // 2026-11-25 is a Wednesday.
    let wednesday: SystemTime = at(1_795_564_800 + 12 * 3600);
    let few = Consumption::new(200_000, 1_000_000);
    let many = Consumption::new(200_001, 1_000_000);
    assert_eq!(pricing.cost_at(few, wednesday), Ok(usd("2.2")));
    assert_eq!(pricing.cost_at(many, wednesday), Ok(usd("3.400002")));
    // By night and on a weekend, the later entries win, also over the one for long prompts.
    let saturday_night = at(1_795_564_800 + 3 * 86_400 + 23 * 3600);
    assert_eq!(pricing.cost_at(many, saturday_night), Ok(usd("1.1000005")));
    // The end of a window is not in it.
    assert_eq!(pricing.cost_at(few, at(1_795_564_800 + 6 * 3600)), Ok(usd("2.2")));
    assert_eq!(pricing.cost_at(few, at(1_795_564_800 + 6 * 3600 - 1)), Ok(usd("1.2")));
}

#[test]
fn a_special_rate_applies_from_the_minute_it_starts_to_the_minute_it_ends() {
    let price_at = |window: Value, clock: &str| {
        let mut special = json!({"prompt": "2"});
        special.as_object_mut().unwrap().extend(window.as_object().unwrap().clone());
        let pricing = pricing(json!({"prompt": "1", "completion": "0", "overrides": [special]}));
        let fields: Vec<u64> = clock.split(':').map(|field| field.parse().unwrap()).collect();
        // 2026-11-25
        let time = UNIX_EPOCH + Duration::from_secs(1_795_564_800 + fields[0] * 3600 + fields[1] * 60 + fields[2]);
        pricing.cost_at(Consumption::new(1, 0), time).unwrap().to_string()
    };
    let window = |start: u64, end: u64| json!({"utc_start": start, "utc_end": end});
    let (from, until) = (json!({"utc_start": 1430}), json!({"utc_end": 1430}));
    for (window, clock, price) in [
        (window(1430, 1645), "14:29:59", "1"),
        (window(1430, 1645), "14:30:00", "2"),
        (window(1430, 1645), "16:44:59", "2"),
        (window(1430, 1645), "16:45:00", "1"),
        (window(1430, 1645), "03:00:00", "1"),
        (window(1645, 1430), "14:29:59", "2"),
        (window(1645, 1430), "14:30:00", "1"),
        (window(1645, 1430), "16:44:59", "1"),
        (window(1645, 1430), "16:45:00", "2"),
        // From one minute to the same one takes no time.
        (window(1430, 1430), "14:30:00", "1"),
        (window(1430, 1430), "03:00:00", "1"),
        (from.clone(), "14:29:59", "1"),
        (from.clone(), "14:30:00", "2"),
        (from, "23:59:59", "2"),
        (until.clone(), "00:00:00", "2"),
        (until.clone(), "14:29:59", "2"),
        (until.clone(), "14:30:00", "1"),
        (until, "23:59:59", "1"),
    ] {
        assert_eq!(price_at(window.clone(), clock), price, "{window} at {clock}");
    }
}

#[test]
fn the_discount_is_taken_off_the_whole_cost() {
    let of = |discount: f64| pricing(json!({"prompt": "0.00001", "completion": "0", "discount": discount}));
    assert_eq!(of(0.25).cost(Consumption::new(1000, 0)), Ok(usd("0.0075")));
    assert_eq!(of(1.0).cost(Consumption::new(1000, 0)), Ok(Usd::ZERO));
    assert_eq!(of(-3.0).cost(Consumption::new(1000, 0)), Ok(usd("0.01")), "a share is between 0 and 1");
}

#[test]
fn the_usage_of_each_protocol_counts_the_whole_prompt() {
    let chat: ChatUsage = read(json!({
        "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 12}, "server_tool_use_details": {"web_search_requests": 3}
    }));
    let responses: ResponsesUsage = read(json!({
        "input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
        "output_tokens_details": {"reasoning_tokens": 12}, "server_tool_use_details": {"web_search_requests": 3}
    }));
    assert_eq!(Consumption::from(&chat), Consumption::from(&responses));
    assert_eq!((Consumption::from(&chat).prompt_tokens, Consumption::from(&chat).web_searches), (100, 3));
    let heard: ChatUsage = read(json!({
        "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": {"audio_tokens": 7}
    }));
    assert_eq!(Consumption::from(&heard).audio_tokens, 7);
    let messages: MessagesUsage = read(json!({
        "input_tokens": 35, "output_tokens": 20, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 5
    }));
    let messages = Consumption::from(&messages);
    assert_eq!((messages.prompt_tokens, messages.cache_read_tokens, messages.cache_write_tokens), (100, 60, 5));
}

#[test]
fn the_cheapest_model_is_the_first_that_meets_every_need() {
    let model = |id: &str, price: &str, context: i64, parameters: &[&str], inputs: &[&str]| -> Model {
        read(json!({
            "id": id, "canonical_slug": id, "name": id, "created": 1, "context_length": context,
            "architecture": {"input_modalities": inputs, "output_modalities": ["text"], "modality": null},
            "links": {"details": "/"}, "per_request_limits": null, "default_parameters": null,
            "pricing": {"prompt": price, "completion": price}, "supported_parameters": parameters,
            "supported_voices": null,
            "top_provider": {"context_length": context, "max_completion_tokens": 4096, "is_moderated": false}
        }))
    };
    let models = [
        model("big", "0.00001", 400_000, &["tools", "seed"], &["text", "image"]),
        model("blind", "0.000001", 400_000, &["tools"], &["text"]),
        model("short", "0.000001", 8_000, &["tools"], &["text", "image"]),
        model("dumb", "0.000001", 400_000, &[], &["text", "image"]),
        model("router", "-1", 400_000, &["tools"], &["text", "image"]),
        model("small", "0.000002", 200_000, &["tools"], &["text", "image"]),
    ];
    let needs = ModelNeeds::new().parameter("tools").input("image").context_length(200_000);
    let found = needs.cheapest(&models, Consumption::new(1_000_000, 0));
    let found: Vec<_> = found.iter().map(|(price, model)| (price.to_string(), model.id.as_str())).collect();
    assert_eq!(found, [("2".to_owned(), "small"), ("10".to_owned(), "big")]);
    let endpoint = |name: &str, price: &str, context: i64| -> PublicEndpoint {
        read(json!({
            "name": name, "model_id": "m", "model_name": "M", "context_length": context, "tag": name,
            "pricing": {"prompt": price, "completion": price}, "provider_name": "OpenAI", "quantization": null,
            "supported_parameters": ["tools"], "max_completion_tokens": null
        }))
    };
    let endpoints =
        [endpoint("expensive", "0.3", 200_000), endpoint("short", "0.1", 1), endpoint("fair", "0.2", 200_000)];
    let found = needs.cheapest_endpoints(&endpoints, Consumption::new(1, 0));
    assert_eq!(found.iter().map(|(_, endpoint)| &*endpoint.name).collect::<Vec<_>>(), ["fair", "expensive"]);
    let long = needs.completion_tokens(5000);
    assert!(long.cheapest(&models, Consumption::new(1, 1)).is_empty());
    let limited = |most: i64| {
        let mut endpoint = endpoint("limited", "1", 200_000);
        endpoint.max_completion_tokens = Some(most);
        endpoint
    };
    let limits = [limited(4999), limited(5000), endpoint("unlimited", "2", 200_000)];
    let found = long.cheapest_endpoints(&limits, Consumption::new(1, 0));
    let found: Vec<_> = found.iter().map(|(_, endpoint)| endpoint.max_completion_tokens).collect();
    assert_eq!(found, [Some(5000), None]);
    assert!(!ModelNeeds::new().output("image").are_met_by(&models[0]));
}
