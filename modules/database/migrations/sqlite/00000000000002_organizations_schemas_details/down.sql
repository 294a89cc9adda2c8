DROP TABLE product_images;
DROP TABLE product_details;
DROP TABLE schemas;
DROP TABLE organizations;
