//! The pictures in docs/world are those the code draws. To draw them anew:
//! `UPDATE_EXPECT=1 cargo test -p ringfence-simulator --test pictures`.
#![cfg(test)]

use expect_test::expect_file;
use ringfence_simulator as simulator;
use simulator::picture;
use simulator::typology::Typology;

#[test]
fn committed_pictures_are_current() {
    for typology in Typology::ALL {
        let file = format!("../../../docs/world/{}.svg", typology.name());
        expect_file![file].assert_eq(&picture(typology, 7));
    }
}
