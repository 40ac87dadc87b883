//! hyper alone, counting blank lines.

use clients::floors::Floor;

fn main() {
    let mut floor = None;
    clients::measure(async |address, scenario| {
        if floor.is_none() {
            floor = Some(Floor::connect(address.parse().unwrap()).await);
        }
        let floor = floor.as_mut().unwrap();
        let path = format!("/{scenario}/x");
        match scenario {
            "response" | "models" => floor.unary("POST", &path, None).await,
            _ => floor.stream(&path, None).await,
        }
    });
}
