diesel::table! {
    products (id) {
        id -> BigInt,
        name -> Text,
        description -> Text,
        price -> BigInt,
        stock -> BigInt,
        category -> Text,
        organization_id -> BigInt,
        schema_id -> BigInt,
        version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    catalogue_totals (singleton) {
        singleton -> BigInt,
        live_products -> BigInt,
    }
}

diesel::table! {
    copy_epoch (singleton) {
        singleton -> BigInt,
        epoch -> BigInt,
        server -> Text,
    }
}
