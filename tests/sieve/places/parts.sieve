require ["foreverypart", "mime", "fileinto"];
foreverypart {
	if header :mime :contenttype "content-type" "image/png" {
		fileinto "Images";
		break;
	}
}
