DROP TABLE database_history;
