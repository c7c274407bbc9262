require ["foreverypart", "mime", "fileinto"];
foreverypart { if header :mime :type "content-type" "image" { fileinto "image"; stop; } }
