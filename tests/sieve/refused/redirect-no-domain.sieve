redirect "bob@";
