require ["foreverypart", "mime", "fileinto", "variables"];
set "n" "";
foreverypart { set "n" "${n}x"; }
fileinto "${n}";
