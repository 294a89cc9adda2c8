DROP TABLE read_counts;
