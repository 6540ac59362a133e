//! Where the subject is, and how fast it must have travelled to be there.

use event::schema::Meaning;

use crate::slab::NONE;

use super::{Describe, FeatureGroup, MISSING, Moment, hours};

const GROUP: FeatureGroup = FeatureGroup::History;
const EARTH_RADIUS_KM: f32 = 6371.0;
/// Below this time two places are taken as one minute apart, so that speed stays finite.
const SHORTEST_TRIP_HOURS: f32 = 1.0 / 60.0;

pub fn describe(list: &mut Describe<'_>) {
    if !list
        .schema
        .attributes
        .iter()
        .any(|it| it.meaning == Meaning::Latitude)
    {
        return;
    }
    let unknown = "no place now or before";
    list.add(
        GROUP,
        "distance".into(),
        "distance from the subject's last place",
        "km",
        unknown,
    );
    list.add(
        GROUP,
        "speed".into(),
        "speed from the subject's last place",
        "km/h",
        unknown,
    );
}

pub fn fill(moment: &Moment<'_>, out: &mut Vec<f32>) {
    if moment.graph.plan.latitude.is_none() {
        return;
    }
    let ix = moment.nodes[moment.graph.plan.subject.index()];
    let last = (ix != NONE)
        .then(|| moment.graph.nodes.get(ix).profile)
        .filter(|it| *it != NONE);
    let last = last.and_then(|profile| moment.graph.profiles.get(profile).place);
    let (Some(here), Some((latitude, longitude, then))) = (moment.graph.place(moment.event), last)
    else {
        out.extend_from_slice(&[MISSING; 2]);
        return;
    };
    let distance = great_circle_km(here, (latitude, longitude));
    out.push(distance);
    out.push(distance / hours(moment.now, then).max(SHORTEST_TRIP_HOURS));
}

/// Haversine distance between two (latitude, longitude) pairs in degrees.
fn great_circle_km(a: (f32, f32), b: (f32, f32)) -> f32 {
    let radians = |degrees: f32| degrees * (std::f32::consts::PI / 180.0);
    let half_sine_squared = |angle: f32| {
        let sine = libm::sinf(angle / 2.0);
        sine * sine
    };
    let (lat_a, lat_b) = (radians(a.0), radians(b.0));
    let h = half_sine_squared(lat_b - lat_a)
        + libm::cosf(lat_a) * libm::cosf(lat_b) * half_sine_squared(radians(b.1 - a.1));
    2.0 * EARTH_RADIUS_KM * libm::asinf(h.clamp(0.0, 1.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_distances() {
        let (berlin, paris, sydney) = ((52.52, 13.405), (48.8566, 2.3522), (-33.8688, 151.2093));
        assert!((great_circle_km(berlin, paris) - 878.0).abs() < 3.0);
        assert!((great_circle_km(berlin, sydney) - 16_094.0).abs() < 30.0);
        assert_eq!(great_circle_km(paris, paris), 0.0);
    }
}
