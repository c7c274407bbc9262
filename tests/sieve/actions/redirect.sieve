redirect "fred@example.com";
