require ["foreverypart", "mime", "extracttext", "variables"];
foreverypart "a" { keep; }
