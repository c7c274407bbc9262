require ["encoded-character", "reject"];
reject "${unicode:110000}";
