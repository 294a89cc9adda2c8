use super::*;

fn products(seed: u64, count: usize) -> Vec<String> {
    let mut generator = Generator::new(seed);
    (0..count).map(|_| format!("{:?}", generator.product().expect("valid"))).collect()
}

#[test]
fn the_same_seed_makes_the_same_products_and_another_one_others() {
    assert_eq!(products(7, 200), products(7, 200));
    assert_ne!(products(7, 200), products(8, 200));
    // Of this very sequence: a change of the words or the order of the draws makes other catalogues.
    assert!(products(1, 1)[0].contains(FIRST_OF_SEED_1), "{}", products(1, 1)[0]);
}

const FIRST_OF_SEED_1: &str = "Westering Coffee Grinder T889 Forest Green";

#[test]
fn all_are_valid_and_spread_as_they_should() {
    let made = products(1, 50_000);
    let share = |part: &str| made.iter().filter(|product| product.contains(part)).count();
    assert!((3_500..4_500).contains(&share("stock: 0,")), "{}", share("stock: 0,"));
    for (category, ..) in &CATEGORIES {
        let of_category = share(&format!("category: {:?}", category));
        assert!((1_400..2_500).contains(&of_category), "{}: {of_category}", category);
    }
}
