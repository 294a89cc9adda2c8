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
        name_key -> Binary,
    }
}

// The full-text index. It keeps no texts.
diesel::table! {
    product_search (rowid) {
        rowid -> BigInt,
        words -> Text,
    }
}

// There as long as the products of before have not been entered.
diesel::table! {
    product_rebuild (singleton) {
        singleton -> BigInt,
        last_id -> BigInt,
        done -> BigInt,
    }
}

diesel::table! {
    search_pending (id) {
        id -> BigInt,
        indexed -> Bool,
    }
}

diesel::table! {
    copy_epoch (singleton) {
        singleton -> BigInt,
        epoch -> BigInt,
        server -> Text,
    }
}

diesel::table! {
    revoked_tokens (token_hash) {
        token_hash -> Binary,
        expires_at -> Nullable<BigInt>,
        revoked_at -> BigInt,
    }
}

diesel::table! {
    removed_users (email_hash) {
        email_hash -> Binary,
        removed_at -> BigInt,
    }
}

diesel::table! {
    write_probe (singleton) {
        singleton -> BigInt,
        probes -> BigInt,
    }
}

diesel::table! {
    redis_seal (singleton) {
        singleton -> BigInt,
        secret -> Binary,
    }
}

diesel::table! {
    database_history (singleton) {
        singleton -> BigInt,
        history -> BigInt,
        commits -> BigInt,
        writer -> Nullable<BigInt>,
    }
}

// SQLite's own: the last id that was given in each table.
diesel::table! {
    sqlite_sequence (name) {
        name -> Text,
        seq -> BigInt,
    }
}

diesel::table! {
    organizations (id) {
        id -> BigInt,
        name -> Text,
        created_at -> BigInt,
        suspended_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        ending -> BigInt,
        quota_products -> Nullable<BigInt>,
        quota_users -> Nullable<BigInt>,
        quota_schemas -> Nullable<BigInt>,
    }
}

diesel::table! {
    organization_counts (organization_id) {
        organization_id -> BigInt,
        live -> BigInt,
        in_stock -> BigInt,
    }
}

diesel::table! {
    schemas (id) {
        id -> BigInt,
        organization_id -> BigInt,
        name -> Text,
        fields -> Text,
        version -> BigInt,
    }
}

diesel::table! {
    product_details (product_id) {
        product_id -> BigInt,
        fields -> Text,
    }
}

diesel::table! {
    product_images (id) {
        id -> BigInt,
        product_id -> BigInt,
        url -> Text,
        alt -> Text,
        position -> BigInt,
    }
}

diesel::table! {
    read_counts (product_id) {
        product_id -> BigInt,
        reads -> BigInt,
    }
}

diesel::joinable!(product_details -> products (product_id));
diesel::allow_tables_to_appear_in_same_query!(products, product_details);
diesel::allow_tables_to_appear_in_same_query!(products, search_pending);
diesel::allow_tables_to_appear_in_same_query!(product_search, search_pending);

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        password_hash -> Nullable<Text>,
        organization_id -> BigInt,
        role -> Text,
        session_generation -> BigInt,
        created_at -> BigInt,
        key_generation -> BigInt,
        verified_at -> Nullable<BigInt>,
    }
}

diesel::joinable!(users -> organizations (organization_id));
diesel::allow_tables_to_appear_in_same_query!(users, organizations);

diesel::table! {
    sessions (id) {
        id -> BigInt,
        token_hash -> Binary,
        user_id -> BigInt,
        generation -> BigInt,
        client -> Text,
        created_at -> BigInt,
        last_used_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        token_hash -> Binary,
        user_id -> BigInt,
        name -> Text,
        role -> Text,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
        generation -> BigInt,
        expires_at -> Nullable<BigInt>,
        scopes -> Nullable<Text>,
    }
}

diesel::table! {
    password_resets (token_hash) {
        token_hash -> Binary,
        user_id -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    address_proofs (token_hash) {
        token_hash -> Binary,
        user_id -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    invitations (id) {
        id -> BigInt,
        token_hash -> Binary,
        email -> Text,
        organization_id -> BigInt,
        founds -> BigInt,
        role -> Text,
        invited_by -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    audit_log (id) {
        id -> BigInt,
        at -> BigInt,
        action -> Text,
        kind -> Text,
        outcome -> Text,
        user_id -> Nullable<BigInt>,
        email -> Nullable<Text>,
        credential -> Nullable<Text>,
        organization_id -> Nullable<BigInt>,
        target -> Nullable<Text>,
        detail -> Nullable<Text>,
        origin -> Nullable<Text>,
        request_id -> Nullable<Text>,
        count -> BigInt,
    }
}

diesel::joinable!(api_keys -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(api_keys, users);
