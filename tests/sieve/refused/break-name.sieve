require ["foreverypart", "mime", "extracttext", "variables"];
foreverypart :name "a" { break :name "b"; }
