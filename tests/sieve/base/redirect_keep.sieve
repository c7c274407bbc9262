redirect "other@example.org";
keep;
