DROP TABLE product_attention;
DROP TABLE schedules;
