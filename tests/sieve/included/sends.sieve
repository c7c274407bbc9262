redirect "included@example.org";
