require ["encoded-character", "reject"];
reject "${unicode:d800}";
