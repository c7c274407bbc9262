require ["foreverypart", "mime", "extracttext", "variables"];
extracttext "a";
