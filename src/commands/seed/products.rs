//! Generates products: the same seed makes the same ones.

use hotshelf_domain::{Invalid, NewProduct, ProductDraft};

/// Each with the nouns of its products and their prices, from and to, in whole units.
const CATEGORIES: [(&str, &str, u64, u64); 26] = [
    ("Laptops", "Laptop|Ultrabook|Notebook|Workstation|Convertible", 399, 3_499),
    ("Phones", "Smartphone|Phone|Feature Phone|Satellite Phone|Rugged Phone", 79, 1_499),
    ("Headphones", "Headphones|Earbuds|Headset|In-Ear Monitor|Studio Headphones", 19, 549),
    ("Cameras", "Camera|Action Camera|Lens|Camcorder|Instant Camera", 59, 2_999),
    ("Televisions", "Television|Projector|Monitor|Media Player|Wall Mount", 39, 3_999),
    ("Gaming", "Controller|Console|Gaming Mouse|Racing Wheel|Joystick", 29, 599),
    ("Watches", "Watch|Smartwatch|Fitness Band|Chronograph|Watch Strap", 19, 899),
    ("Sofas", "Sofa|Corner Sofa|Loveseat|Sofa Bed|Footstool", 99, 2_999),
    ("Chairs", "Chair|Armchair|Office Chair|Rocking Chair|Bar Stool", 39, 1_299),
    ("Tables", "Table|Desk|Coffee Table|Side Table|Standing Desk", 49, 1_899),
    ("Lighting", "Desk Lamp|Floor Lamp|Pendant Lamp|Lantern|Table Lamp", 14, 499),
    ("Bedding", "Pillow|Duvet|Blanket|Mattress|Bed Sheet", 12, 999),
    ("Kitchenware", "Pan|Saucepan|Chef's Knife|Cutting Board|Casserole", 8, 299),
    ("Tableware", "Cup|Plate|Bowl|Carafe|Café au Lait Bowl", 3, 129),
    ("Coffee & Tea", "Espresso Machine|Kettle|Teapot|Coffee Grinder|French Press", 14, 899),
    ("Garden", "Rake|Watering Can|Planter|Garden Hose|Pruning Shears", 5, 199),
    ("Tools", "Hammer|Cordless Drill|Screwdriver Set|Spirit Level|Tape Measure", 4, 449),
    ("Bicycles", "Bicycle|Bike Helmet|Saddle|Bike Lock|Pannier", 12, 2_499),
    ("Camping", "Tent|Sleeping Bag|Camping Stove|Hammock|Headlamp", 9, 699),
    ("Fitness", "Dumbbell|Yoga Mat|Kettlebell|Jump Rope|Rowing Machine", 6, 1_199),
    ("Shoes", "Sneakers|Boots|Sandals|Loafers|Running Shoes", 24, 299),
    ("Shirts", "Shirt|T-Shirt|Polo Shirt|Blouse|Flannel Shirt", 9, 149),
    ("Bags", "Backpack|Tote Bag|Suitcase|Messenger Bag|Wallet", 12, 499),
    ("Toys", "Puzzle|Building Blocks|Board Game|Toy Train|Plush Bear", 5, 149),
    ("Books", "Cookbook|Atlas|Novel|Crème Brûlée Handbook|Field Guide", 6, 89),
    ("Beauty", "Hand Cream|Shampoo|Perfume|Hair Dryer|Lip Balm", 3, 199),
];
const BRANDS: &str = "\
    Aldermoor|Alpenglow|Arbora|Bergström|Bluepine|Brightwater|Calder & Sons|Cinderfield|Corvane|Dalewood|\
    Delphine|Dunmarsh|Eastmere|Elmstead|Evenfall|Fennick|Fjordline|Foxglove|Glenhaven|Granholm|Harrowgate|\
    Heliora|Hollins|Inverlea|Juniper Row|Kestrel|Kirkwall|Lindqvist|Lumenar|Marlowe|Maison Été|Northbeam|Norvik|\
    Oakhurst|Orsini|Pellworth|Quarrymen|Ravensby|Rosedale|Saltmarsh|Solbakken|Stonebridge|Tamarind|Thornbury|\
    Umbrio|Vallone|Westering|Zephyrine";
const MATERIALS: &str = "\
    Aluminium|Bamboo|Beech|Brass|Canvas|Carbon|Cashmere|Cedar|Ceramic|Copper|Cork|Cotton|Denim|Enamel|Felt|\
    Glass|Granite|Leather|Linen|Marble|Merino|Oak|Porcelain|Rattan|Silicone|Silk|Steel|Suede|Titanium|Velvet|\
    Walnut|Wool";
const COLOURS: &str = "\
    Amber|Anthracite|Beige|Black|Blue|Bordeaux|Burgundy|Charcoal|Coral|Cream|Crimson|Emerald|Forest Green|Gold|\
    Graphite|Grey|Indigo|Ivory|Lavender|Mint|Navy|Olive|Orange|Rosé|Sand|Silver|Teal|White";
const SIZES: &str = "\
    XS|S|M|L|XL|XXL|Mini|Compact|Large|Family Size|20 cm|30 cm|45 cm|60 cm|90 cm|120 cm|250 ml|500 ml|1 l|\
    Set of 4";
const PRAISE: &str = "\
    made to be used every day|built to last for years|light enough to carry anywhere|\
    easy to clean and to repair|a favourite of our customers|as good as a gift as for yourself|\
    designed in a small workshop|finished by hand|tested for ten thousand hours|made from recycled materials|\
    comfortable from the first day|quiet, quick and reliable|simple in the best sense|with a five year warranty|\
    assembled in minutes|which fits where others do not|with spare parts for every piece|\
    inspired by the northern coast|reduced to what matters|that ages well|certified by independent laboratories|\
    packed without any plastic|for beginners and professionals alike|the classic in a new edition";
const USES: &str = "\
    small kitchens|long journeys|the home office|rainy days|the whole family|quiet evenings|the garden|\
    busy mornings|summer holidays|the workshop|students|first apartments|children's rooms|winter walks|\
    weekend trips|guests|the balcony|collectors|dinner with friends|early risers";
/// In cents, what prices end with.
const ENDINGS: [u64; 8] = [99, 99, 99, 95, 90, 50, 49, 0];

/// Products without end.
pub(super) struct Generator {
    random: Random,
    words: [Vec<&'static str>; 6],
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        let words = [BRANDS, MATERIALS, COLOURS, SIZES, PRAISE, USES].map(|words| words.split('|').collect());
        Generator { random: Random(seed), words }
    }

    pub(super) fn product(&mut self) -> Result<NewProduct, Invalid> {
        let &(category, nouns, from, to) = self.random.pick(&CATEGORIES);
        let noun = *self.random.pick(&nouns.split('|').collect::<Vec<_>>());
        let draft = ProductDraft {
            name: Some(self.name(noun)),
            description: Some(self.description(noun)),
            price: Some(self.price(from, to)),
            stock: Some(self.stock()),
            category: Some(category.to_owned()),
            ..ProductDraft::default()
        };
        draft.into_new()
    }

    fn name(&mut self, noun: &str) -> String {
        let (random, [brands, materials, colours, sizes, ..]) = (&mut self.random, &self.words);
        let (brand, material, colour) = (random.pick(brands), random.pick(materials), random.pick(colours));
        let series = char::from(b'A' + random.below(26) as u8);
        let number = 100 + random.below(900);
        match random.below(3) {
            0 => format!("{brand} {material} {noun}, {colour}"),
            1 => format!("{brand} {noun} {series}{number} {colour}"),
            _ => format!("{brand} {material} {noun} {series}{number}, {}", random.pick(sizes)),
        }
    }

    fn description(&mut self, noun: &str) -> String {
        let (random, [_, materials, .., praise, uses]) = (&mut self.random, &self.words);
        let (material, used) = (random.pick(materials).to_lowercase(), random.pick(uses));
        let (praise, other) = (random.pick(praise), random.pick(praise));
        match random.below(3) {
            0 => format!("A {noun} {praise}. For {used}."),
            1 => format!("{noun} with {material}, {praise}."),
            _ => format!("For {used}: a {noun} {praise}. With details in {material}, {other}."),
        }
    }

    /// Cheap ones are more frequent: the middle of the range lies a quarter of the way up.
    fn price(&mut self, from: u64, to: u64) -> String {
        let share = self.random.below(1_001);
        let whole = from + (to - from) * share * share / 1_000_000;
        format!("{whole}.{:02}", self.random.pick(&ENDINGS))
    }

    /// 8 % are out of stock, the others have up to 501.
    fn stock(&mut self) -> i64 {
        if self.random.below(100) < 8 {
            return 0;
        }
        let share = 1 + self.random.below(1_000);
        (1 + 500 * share * share / 1_000_000) as i64
    }
}

/// SplitMix64, written out: a library's generator may give other numbers in its next version.
struct Random(u64);

impl Random {
    fn pick<'a, T>(&mut self, choice: &'a [T]) -> &'a T {
        &choice[self.below(choice.len() as u64) as usize]
    }

    /// The high half times the bound: an even spread without a division.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((mixed ^ (mixed >> 31)) >> 32) * bound) >> 32
    }
}

#[cfg(test)]
mod tests;
