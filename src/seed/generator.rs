//! Made-up products, the same for the same seed in every version of this program.

use hotshelf_domain::{Invalid, NewProduct, ProductDraft};

use super::words::{BRANDS, COLOURS, MATERIALS, PRAISE, RARE, SHELVES, SIZES, Shelf, USES};

/// One of so many products has the rare word in its name.
const RARE_ONE_OF: u64 = 5_000;
const OUT_OF_STOCK_PERCENT: u64 = 8;
const STOCK_MAX: u64 = 500;
/// In cents, what prices end with.
const ENDINGS: [u64; 8] = [99, 99, 99, 95, 90, 50, 49, 0];

/// Products without end.
pub(crate) struct Generator {
    state: u64,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Generator { state: seed }
    }

    pub(crate) fn product(&mut self) -> Result<NewProduct, Invalid> {
        let shelf = self.pick(&SHELVES);
        let noun = *self.pick(&shelf.nouns);
        let draft = ProductDraft {
            name: Some(self.name(noun)),
            description: Some(self.description(noun)),
            price: Some(self.price(shelf)),
            stock: Some(self.stock()),
            category: Some(shelf.category.to_owned()),
            ..ProductDraft::default()
        };
        draft.into_new()
    }

    fn name(&mut self, noun: &str) -> String {
        let (brand, material, colour) = (self.pick(&BRANDS), self.pick(&MATERIALS), self.pick(&COLOURS));
        let rare = if self.below(RARE_ONE_OF) == 0 { format!("{RARE} ") } else { String::new() };
        let series = char::from(b'A' + self.below(26) as u8);
        let number = 100 + self.below(900);
        match self.below(3) {
            0 => format!("{brand} {rare}{material} {noun}, {colour}"),
            1 => format!("{brand} {rare}{noun} {series}{number} {colour}"),
            _ => format!("{brand} {rare}{material} {noun} {series}{number}, {}", self.pick(&SIZES)),
        }
    }

    fn description(&mut self, noun: &str) -> String {
        let (material, praise, other, used) =
            (self.pick(&MATERIALS).to_lowercase(), self.pick(&PRAISE), self.pick(&PRAISE), self.pick(&USES));
        match self.below(3) {
            0 => format!("A {noun} {praise}. For {used}."),
            1 => format!("{noun} with {material}, {praise}."),
            _ => format!("For {used}: a {noun} {praise}. With details in {material}, {other}."),
        }
    }

    /// Cheap ones are more frequent: the middle of the range lies a quarter of the way up.
    fn price(&mut self, shelf: &Shelf) -> String {
        let (from, to) = shelf.price;
        let share = self.below(1_001);
        let whole = from + (to - from) * share * share / 1_000_000;
        format!("{whole}.{:02}", self.pick(&ENDINGS))
    }

    fn stock(&mut self) -> i64 {
        if self.below(100) < OUT_OF_STOCK_PERCENT {
            return 0;
        }
        let share = 1 + self.below(1_000);
        (1 + STOCK_MAX * share * share / 1_000_000) as i64
    }

    fn pick<'a, T>(&mut self, choice: &'a [T]) -> &'a T {
        &choice[self.below(choice.len() as u64) as usize]
    }

    fn below(&mut self, bound: u64) -> u64 {
        // The high half times the bound: an even spread without a division.
        ((self.next() >> 32) * bound) >> 32
    }

    /// SplitMix64, written out: a library's generator may give other numbers in its next version.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
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

    const FIRST_OF_SEED_1: &str = "Westering Felt Air Fryer, Forest Green";

    #[test]
    fn all_are_valid_and_spread_as_they_should() {
        let made = products(1, 50_000);
        let share = |part: &str| made.iter().filter(|product| product.contains(part)).count();
        assert!((3_500..4_500).contains(&share("stock: 0,")), "{}", share("stock: 0,"));
        assert!((2..30).contains(&share(RARE)), "{}", share(RARE));
        for shelf in &SHELVES {
            let of_shelf = share(&format!("category: {:?}", shelf.category));
            assert!((900..1_700).contains(&of_shelf), "{}: {of_shelf}", shelf.category);
        }
    }
}
